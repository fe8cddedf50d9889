import Datasets
import Encoding
import Foundation
import TestSupport
import Testing

@Suite struct PartTests {
  @Test func partsAreKeptWholeOrNotAtAll() throws {
    let folder = try TemporaryDirectory()
    let store = PartStore(in: folder.path, recordSize: 3)
    try store.make()
    #expect(!store.holds("key", count: 2))
    try store.write([1, 2, 3, 4, 5, 6], key: "key")
    #expect(store.holds("key", count: 2) && !store.holds("key", count: 3))
    #expect(try store.read("key") == [1, 2, 3, 4, 5, 6])
    var bytes = try Data(contentsOf: URL(filePath: store.path("key")))
    bytes[1] = 9
    try bytes.write(to: URL(filePath: store.path("key")))
    let error = #expect(throws: LatentEncodingError.self) { try store.read("key") }
    #expect(error?.problem.contains("was altered") == true)
    store.remove()
    #expect(!store.holds("key", count: 2))
  }

  /// Var(mean) + E(deviation²), over what two parts hold; mirrored images count for nothing.
  @Test(arguments: EncodingOptions.ElementType.allCases) func latentsSpreadAsTheirPosteriors(
    type: EncodingOptions.ElementType
  ) throws {
    let fields = EncodingOptions(type: type, withFlips: true).fields(shape: [1, 2, 1])
    #expect(fields.map(\.role) == [.latentMean, .latentDeviation, .latentMean, .latentDeviation])
    #expect(fields[0].flippedBy == fields[2].name && fields[1].flippedBy == fields[3].name)
    func record(_ values: [Float]) -> [UInt8] {
      type == .float16
        ? values.flatMap { withUnsafeBytes(of: Float16($0)) { Array($0) } }
        : values.flatMap { withUnsafeBytes(of: $0) { Array($0) } }
    }
    let first = record([1, 3, 0.5, 1, 100, 100, 100, 100])
    let second = record([-2, 0, 2, 0.25, 100, 100, 100, 100]) + record([4, 6, 1, 1, 100, 100, 100, 100])
    let sum = LatentStatistics(
      sumOf: [first, second].flatMap { LatentStatistics($0, fields: fields).numbers })
    let (means, deviations) = ([1.0, 3, -2, 0, 4, 6], [0.5, 1, 2, 0.25, 1, 1])
    let mean = means.reduce(0, +) / 6
    let variance =
      means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 6 + deviations.reduce(0) { $0 + $1 * $1 } / 6
    #expect(abs(sum.deviation - variance.squareRoot()) < 1e-12)
  }
}
