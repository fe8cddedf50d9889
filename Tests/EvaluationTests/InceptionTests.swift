import Evaluation
import Foundation
import NumericsTestSupport
import Pictures
import Safetensors
import TestSupport
import Testing

/// Inception-v3 against pytorch-fid's, with random weights that `Tests/Fixtures/generators/inception.py` has written.
@Suite struct InceptionTests {
  private static let folder = Fixture.url("evaluation").path

  /// The images of the generator, whose bytes are a formula.
  private static let images = [(32, 32, 3), (311, 420, 3), (299, 299, 3), (28, 45, 1)].map {
    height, width, channels in
    var samples: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        for c in 0..<channels { samples.append(UInt8((x * 7 + y * 13 + c * 31 + x * y / 8) % 256)) }
      }
    }
    return Picture(width: width, height: height, channels: channels, samples: samples)
  }

  private func expectFeatures(in folder: String, width: Int) throws {
    let network = try InceptionV3("\(folder)/inception-weights.safetensors")
    let expected = try SafetensorsFile(path: "\(folder)/inception-features.safetensors").floats("features")
    try #require(network.width == width && expected.count == Self.images.count * width)
    for (index, image) in Self.images.enumerated() {
      let error = relativeError(
        of: network.features(of: image), from: Array(expected[index * width..<(index + 1) * width]))
      #expect(error < 1e-4, "image \(index)")
    }
  }

  @Test func featuresArePytorchFIDs() throws { try expectFeatures(in: Self.folder, width: 128) }

  /// The network of full width is too large a file to keep: see the generator for how to make it.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["OBORO_INCEPTION"] != nil))
  func featuresOfTheFullNetworkArePytorchFIDs() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["OBORO_INCEPTION"])
    try expectFeatures(in: folder, width: 2048)
  }

  /// Writes the weights with some change, and expects that they are refused.
  private func expectRefusal(
    _ fragment: String, skip: String? = nil,
    _ change: (inout SafetensorsWriter) -> Void
  ) throws {
    let folder = try TemporaryDirectory()
    let path = try Self.copy(to: folder, skip: skip, change)
    let error = #expect(throws: (any Error).self) { try InceptionV3(path) }
    let message = "\(error.map { "\($0)" } ?? "")"
    #expect(message.contains(fragment) && message.contains(path), "\(message)")
  }

  private static func copy(
    to folder: TemporaryDirectory, skip: String?, _ change: (inout SafetensorsWriter) -> Void
  ) throws -> String {
    let file = try SafetensorsFile(path: "\(Self.folder)/inception-weights.safetensors")
    var writer = SafetensorsWriter()
    for name in file.names where name != skip && !name.hasSuffix("num_batches_tracked") {
      writer.add(name, shape: try file.shape(of: name), floats: try file.floats(name))
    }
    change(&writer)
    let path = "\(folder.path)/weights.safetensors"
    try writer.write(to: path)
    return path
  }

  @Test func classifiersMayBeThere() throws {
    let folder = try TemporaryDirectory()
    let path = try Self.copy(to: folder, skip: nil) {
      $0.add("fc.weight", shape: [1, 2], floats: [1, 2])
      $0.add("AuxLogits.conv0.conv.weight", shape: [1], floats: [1])
      $0.add("Conv2d_1a_3x3.bn.num_batches_tracked", shape: [1], int64s: [7])
    }
    #expect(try InceptionV3(path).width == 128)
  }

  @Test func otherWeightsAreRefused() throws {
    try expectRefusal("Mixed_6b.branch7x7_2.bn.running_var", skip: "Mixed_6b.branch7x7_2.bn.running_var") {
      _ in
    }
    try expectRefusal("holds tensors that Inception-v3 has not: Mixed_8a.conv.weight") {
      $0.add("Mixed_8a.conv.weight", shape: [1], floats: [1])
    }
    // A kernel turned by a quarter.
    let turned = "Mixed_6b.branch7x7_2.conv.weight"
    try expectRefusal("\(turned) has the shape [8, 8, 7, 1], expected [8, 8, 1, 7]", skip: turned) {
      $0.add(turned, shape: [8, 8, 7, 1], floats: [Float](repeating: 0, count: 448))
    }
    let variance = "Mixed_7c.branch_pool.bn.running_var"
    try expectRefusal("\(variance) holds numbers that are not finite", skip: variance) {
      $0.add(variance, shape: [12], floats: [Float](repeating: .nan, count: 12))
    }
    try expectRefusal("\(variance) holds -1.0", skip: variance) {
      $0.add(variance, shape: [12], floats: [Float](repeating: -1, count: 12))
    }
    let first = "Conv2d_1a_3x3.conv.weight"
    try expectRefusal("\(first) has the shape [3, 3, 3, 3]", skip: first) {
      $0.add(first, shape: [3, 3, 3, 3], floats: [Float](repeating: 0, count: 81))
    }
    try expectRefusal(first, skip: first) { _ in }
  }
}
