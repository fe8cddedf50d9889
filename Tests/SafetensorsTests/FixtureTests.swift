import Foundation
import Safetensors
import Testing

@Suite("The committed golden values are complete")
struct FixtureTests {
  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures")

  private static func open(_ name: String) throws -> SafetensorsFile {
    try SafetensorsFile(path: folder.appendingPathComponent("\(name).safetensors").path)
  }

  @Test(arguments: [
    ("two-stages-huber", [2, 1, 8, 8], 1), ("three-stages-not-square-l2", [1, 3, 8, 12], 3),
    ("one-stage-odd-size-l1", [3, 2, 5, 7], 2), ("self-condition-huber", [2, 1, 8, 8], 2),
    ("larger-images-huber", [4, 3, 22, 26], 3),
  ])
  func annotatedUNetCase(name: String, imageShape: [Int], predictionChannels: Int) throws {
    let file = try Self.open("annotated-unet/\(name)")
    let loss = try #require(file.metadata["loss"])
    #expect(name.hasSuffix(loss))
    let model = try JSONSerialization.jsonObject(with: Data(try #require(file.metadata["model"]).utf8))
    #expect((model as? [String: Any])?["kind"] as? String == "annotated-unet")

    let predictionShape = [imageShape[0], predictionChannels, imageShape[2], imageShape[3]]
    try #expect(file.shape(of: "x") == imageShape)
    try #expect(file.shape(of: "target") == predictionShape)
    try #expect(file.shape(of: "output") == predictionShape)
    try #expect(file.int64s("t").count == imageShape[0])

    // The loss stored is that of the output stored.
    let differences = try zip(file.floats("output"), file.floats("target")).map { Double($0 - $1) }
    let losses = differences.map { difference in
      switch loss {
      case "l1": abs(difference)
      case "l2": difference * difference
      default: abs(difference) < 1 ? difference * difference / 2 : abs(difference) - 0.5
      }
    }
    let mean = losses.reduce(0, +) / Double(losses.count)
    try #expect(file.shape(of: "loss") == [])
    try #expect(abs(file.doubles("loss")[0] - mean) < 1e-6 * mean)

    let parameters = file.names.filter { $0.hasPrefix("model/") }.map { $0.dropFirst("model/".count) }
    #expect(parameters.contains("downs.0.2.fn.fn.to_out.1.weight"))
    #expect(file.names.count == 5 + 2 * parameters.count)
    for parameter in parameters {
      let gradient = try file.floats("grad/\(parameter)")
      try #expect(file.shape(of: "grad/\(parameter)") == file.shape(of: "model/\(parameter)"))
      #expect(gradient.contains { $0 != 0 } && gradient.allSatisfy(\.isFinite), "grad/\(parameter)")
    }
  }

  @Test(arguments: ["linear", "cosine", "quadratic", "sigmoid"], [7, 300])
  func schedule(name: String, steps: Int) throws {
    let file = try Self.open("schedules")
    let betas = try file.doubles("\(name)/\(steps)/betas")
    #expect(betas.count == steps)
    var product = 1.0
    for (beta, root) in zip(betas, try file.doubles("\(name)/\(steps)/sqrt_alphas_cumprod")) {
      product *= 1 - beta
      #expect(abs(root * root - product) < 1e-14)
    }
    try #expect(file.doubles("\(name)/\(steps)/sqrt_one_minus_alphas_cumprod").count == steps)
    try #expect(file.doubles("\(name)/\(steps)/posterior_variance").first == 0)
  }

  @Test(arguments: ["adam", "adam-weight-decay", "adamw", "adam-large-eps"])
  func adam(run: String) throws {
    let file = try Self.open("adam")
    let gradients = try file.doubles("gradients")
    try #expect(file.shape(of: "gradients") == [20, 37])
    try #expect(file.shape(of: "initial") == [37])
    try #expect(file.shape(of: "\(run)/weights") == [20, 37])
    #expect(file.metadata[run]?.contains("weight_decay") == true)
    // Without decay into the gradient, the first moment is a plain moving average of the gradients.
    guard run == "adam" || run == "adamw" else { return }
    for (column, moment) in try file.doubles("\(run)/first_moment").enumerated() {
      let expected = (0..<20).reduce(0.0) { 0.9 * $0 + 0.1 * gradients[$1 * 37 + column] }
      #expect(abs(moment - expected) <= 1e-12 * max(1e-8, abs(expected)) + 1e-16)
    }
  }
}
