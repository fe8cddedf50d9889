import Foundation
import HDF5
import Testing

/// What is in a file, and what the library would make up. `storage.h5` and `scales.h5` are written by
/// `Fixtures/make_from_h5py.py`.
@Suite("What a file holds")
struct StorageTests {
  static func fixture(_ name: String) throws -> Group {
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Fixtures")
    return try File(opening: fixtures.appendingPathComponent(name).path).root
  }

  @Test(arguments: ["contiguous", "chunked", "compressed", "compact", "empty"])
  func whatIsWholeIsRead(name: String) throws {
    let dataset = try Self.fixture("storage.h5").dataset("whole/\(name)")
    try dataset.requireStored()
    let numbers = (0..<24)
    switch name {
    case "contiguous":
      #expect(try dataset.read(as: Float16.self) == numbers.map { Float16($0) })
      #expect(try dataset.offset() != nil)
    case "chunked": #expect(try dataset.read(as: UInt32.self) == numbers.map { UInt32($0) })
    case "compressed": #expect(try dataset.read(as: Int8.self) == [Int8](repeating: 0, count: 240_000))
    case "compact": #expect(try dataset.read(as: Int16.self) == numbers.map { Int16($0) })
    default: #expect(try dataset.read(as: UInt16.self).isEmpty)
    }
  }

  @Test(arguments: [
    ("contiguous", "was never written: the file has no place for its 24 bytes"),
    ("filled", "was never written: the file has no place for its 96 bytes"),
    ("chunked", "4 of its 4 chunks were never written"), ("partly", "2 of its 4 chunks were never written"),
    ("huge", "of its 4294967296 chunks were never written"),
    ("text", "was never written: the file has no place for its 4294967296 bytes"),
    ("external", "lies in 1 other file (external storage), of which what is missing reads as zeros"),
    ("virtual", "is spread over other files (virtual), of which what is missing reads as a fill value"),
  ])
  func whatTheLibraryWouldMakeUpIsRefused(name: String, problem: String) throws {
    let dataset = try Self.fixture("storage.h5").dataset("unstored/\(name)")
    for read in [{ try dataset.requireStored() }, { try Self.readAll(dataset) }] {
      let error = #expect(throws: HDF5Error.self) { try read() }
      #expect(error?.object == "/unstored/\(name)")
      #expect(error?.description.contains(problem) == true, "\(error as Any)")
    }
  }

  private static func readAll(_ dataset: Dataset) throws {
    switch dataset.elementType {
    case .string: _ = try dataset.readStrings()
    case .float32: _ = try dataset.read(as: Float.self)
    default: _ = try dataset.read(as: UInt8.self)
    }
  }

  @Test func fillValuesAreThoseThatWereGiven() throws {
    let root = try Self.fixture("storage.h5")
    #expect(try root.dataset("unstored/filled").fillValue() == -9)
    #expect(try root.dataset("unstored/text").fillValue() == nil)
  }

  @Test(arguments: [
    ElementType.float16, .float32, .float64, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
  ])
  func everyTypeOfNumberComesBack(type: ElementType) throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("a.h5")
      let size = try #require(type.byteCount)
      let bytes = (0..<6 * size).map { UInt8(truncatingIfNeeded: $0 * 37 % 251) }
      let file = try File(creating: path)
      let written = try file.root.createDataset("x", of: type, shape: [2, 3])
      try bytes.withUnsafeBytes { try written.write(from: $0, offset: [0, 0], count: [2, 3]) }
      try file.close()

      let dataset = try File(opening: path).root.dataset("x")
      #expect(dataset.elementType == type)
      var read = [UInt8](repeating: 0, count: 2 * size)
      try read.withUnsafeMutableBytes { try dataset.read(into: $0, offset: [0, 1], count: [2, 1]) }
      #expect(read == Array(bytes[size..<2 * size] + bytes[4 * size..<5 * size]))
      // As they lie in the file.
      let offset = try #require(try dataset.offset())
      #expect(try Array(Data(contentsOf: URL(filePath: path))[offset..<offset + 6 * size]) == bytes)
    }
  }

  @Test func textOfOneLengthLiesInOnePiece() throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("a.h5")
      let file = try File(creating: path)
      try file.root.createDataset("x", strings: ["a", "", "朧月", "dog"], shape: [2, 2])
      try file.close()
      let dataset = try File(opening: path).root.dataset("x")
      #expect(try dataset.fixedTextLength() == 6 && dataset.shape == [2, 2])
      let offset = try #require(try dataset.offset())
      let stored = try Array(Data(contentsOf: URL(filePath: path))[offset..<offset + 24])
      #expect(String(decoding: stored, as: UTF8.self) == "a\0\0\0\0\0\0\0\0\0\0\0朧月dog\0\0\0")
    }
    let foreign = try Self.fixture("from-h5py.h5")
    #expect(try foreign.dataset("text").fixedTextLength() == nil)
    #expect(try foreign.dataset("padded").fixedTextLength() == 8)
  }

  @Test func attributesOfAnyType() throws {
    let dataset = try Self.fixture("scales.h5").dataset("x")
    #expect(try dataset.attributes.names() == ["DIMENSION_LIST", "matrix", "names", "one", "range", "units"])
    #expect(try dataset.attributes.value("units") == .text("K"))
    #expect(try dataset.attributes.value("range") == .numbers([1, 2]))
    #expect(try dataset.attributes.value("one") == .number(0.5))
    #expect(try dataset.attributes.value("names") == .texts(["a", "b"]))
    #expect(try dataset.attributes.value("matrix") == nil)
    #expect(try dataset.attributes.value("DIMENSION_LIST") == nil)
  }

  @Test func dimensionScalesAreFound() throws {
    let root = try Self.fixture("scales.h5")
    let scaled = try root.dataset("axes/y").scaledDimensions()
    #expect(scaled.map(\.path) == ["/x"] && scaled.map(\.dimension) == [1])
    #expect(try root.dataset("x").scaledDimensions().isEmpty)
  }
}
