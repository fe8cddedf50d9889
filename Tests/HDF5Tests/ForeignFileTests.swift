import Foundation
import HDF5
import Testing

/// `from-h5py.h5` is written by `Fixtures/make_from_h5py.py`.
@Suite("Files of other programs")
struct ForeignFileTests {
  private let root: Group

  init() throws {
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Fixtures")
    root = try File(opening: fixtures.file("from-h5py.h5")).root
  }

  @Test func bigEndianIsConvertedAndHasNoOffset() throws {
    let dataset = try root.dataset("big_endian")
    #expect(dataset.elementType == .float32)
    #expect(try dataset.read(as: Float.self) == [0, 1, 2, 3, 4, 5])
    #expect(try dataset.offset() == nil)
  }

  @Test func compressedElements() throws {
    let dataset = try root.dataset("compressed")
    #expect(try dataset.read(as: UInt8.self) == (0..<10000).map { UInt8(truncatingIfNeeded: $0) })
  }

  @Test func text() throws {
    #expect(try root.dataset("text").readStrings() == ["plain", "", "朧"])
    #expect(try root.dataset("padded").readStrings() == ["one", "three"])
    let attributes = try root.group("group").attributes
    #expect(try attributes.readString("name") == "variable")
    #expect(try attributes.readString("bytes") == "fixed")
    #expect(try attributes.readArray("numbers") == [1.5, -2.0])
  }

  @Test func textThatIsNotUTF8IsAnError() throws {
    let error = #expect(throws: HDF5Error.self) { try root.dataset("broken_text").readStrings() }
    #expect(error?.description.contains("/broken_text: text is the bytes [255, 254], expected UTF-8") == true)
  }

  @Test func typesWeDoNotReadAreNamed() throws {
    let dataset = try StorageTests.fixture("scales.h5").dataset("flags")
    #expect(dataset.elementType == .other("an enumeration of 1 bytes"))
    let error = #expect(throws: HDF5Error.self) { try dataset.read(as: Int8.self) }
    #expect(error?.description.contains("element type is an enumeration of 1 bytes, expected int8") == true)
    #expect(try root.dataset("int16").read(as: Int16.self) == [0, 1, 2])
  }
}
