import Datasets
import Evaluation
import Foundation
import Kernels
import NumericsTestSupport
import TestSupport
import Testing

/// Features in NumPy's files.
@Suite struct FeatureFileTests {
  @Test(arguments: ["half", "single", "double-big-endian"]) func everyFloatIsRead(name: String) throws {
    let file = try NumPyMatrix(Fixture.url("evaluation/\(name).npy").path)
    #expect((file.rows, file.columns) == (3, 2))
    var values = [Double](repeating: .nan, count: 6)
    try values.withUnsafeMutableBufferPointer { try file.read(rows: 0..<3, into: $0) }
    #expect(values == [0, 1.5, -3, 0.25, 1024, -0.5])
    try values.withUnsafeMutableBufferPointer { try file.read(rows: 1..<2, into: .init(rebasing: $0[..<2])) }
    #expect(values == [-3, 0.25, -3, 0.25, 1024, -0.5])
    let set = try FeatureSet(file: Fixture.url("evaluation/\(name).npy").path)
    #expect((set.count, set.width) == (3, 2))
  }

  /// What numpy.asfortranarray makes of an array.
  @Test func fortransOrderIsRead() throws {
    let folder = try TemporaryDirectory()
    var bytes = try Data(contentsOf: Fixture.url("evaluation/single.npy"))
    let order = try #require(bytes.firstRange(of: Data("'fortran_order': False".utf8)))
    bytes.replaceSubrange(order, with: Data("'fortran_order': True ".utf8))
    let elements = bytes.suffix(24)
    // [3, 2], columns first.
    let columns = [0, 2, 4, 1, 3, 5].map { place in elements.dropFirst(4 * place).prefix(4) }
    try (bytes.dropLast(24) + columns.joined()).write(to: URL(filePath: "\(folder.path)/fortran.npy"))
    let file = try NumPyMatrix("\(folder.path)/fortran.npy")
    var values = [Double](repeating: .nan, count: 6)
    try values.withUnsafeMutableBufferPointer { try file.read(rows: 0..<3, into: $0) }
    #expect(values == [0, 1.5, -3, 0.25, 1024, -0.5])
    try values.withUnsafeMutableBufferPointer { try file.read(rows: 2..<3, into: .init(rebasing: $0[..<2])) }
    #expect(values.prefix(2) == [1024, -0.5])
  }

  @Test func otherArraysAreRefused() throws {
    for (name, fragment) in [
      ("images", "holds elements of type |u1, expected floating-point numbers"),
      ("labels", "holds elements of type <i8"), ("floats", "has the shape [5, 4, 3, 3], expected a matrix"),
      ("absent", "No such file"),
    ] {
      let error = #expect(throws: DatasetError.self) {
        try FeatureSet(file: Fixture.url("arrays/\(name).npy").path)
      }
      #expect(error?.description.contains(fragment) == true, "\(error?.description ?? "")")
    }
  }

  @Test func anArchiveIsRefused() throws {
    let error = #expect(throws: DatasetError.self) {
      try FeatureSet(file: Fixture.url("arrays/stored.npz").path)
    }
    #expect(error?.description.contains("is an archive (.npz)") == true, "\(error?.description ?? "")")
  }

  @Test func aFileThatEndsEarlyIsRefused() throws {
    let folder = try TemporaryDirectory()
    let bytes = try Data(contentsOf: Fixture.url("evaluation/single.npy"))
    try bytes.dropLast(4).write(to: URL(filePath: "\(folder.path)/cut.npy"))
    let error = #expect(throws: DatasetError.self) { try FeatureSet(file: "\(folder.path)/cut.npy") }
    #expect(error?.description.contains("24 bytes, but 20 follow") == true, "\(error?.description ?? "")")
  }
}
