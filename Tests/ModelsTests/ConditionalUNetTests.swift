import Layers
import Models
import NumericsTestSupport
import Safetensors
import Settings
import Tensors
import Testing

@Suite struct ConditionalUNetTests {
  /// The model, weights and input of the evaluation case (generator: `conditional_unet.py`).
  private struct Evaluation {
    let file: SafetensorsFile
    let model: any Denoiser
    let weights: ParameterBuffer

    init() throws {
      file = try Fixture.safetensors("conditional-unet-evaluation")
      model = try ModelsTests.model(try #require(file.metadata["model"]))
      weights = ParameterBuffer(count: model.parameters.flatCount)
      for parameter in model.parameters.parameters {
        parameter.import(from: try file.floats("model/\(parameter.name)"), to: weights.pointer)
      }
    }

    /// The output in PyTorch's order.
    func output(gradients: ParameterBuffer?, labels: [Int?]? = nil) throws -> [Float] {
      let shape = try file.shape(of: "x")
      let tape = Tape(engine: Engine(threadCount: 2), weights: weights, gradients: gradients)
      let x = tape.input([shape[0], shape[2], shape[3], shape[1]])
      _ = x.elements.update(
        fromContentsOf: exchanged(
          try file.floats("x"), batch: shape[0], shape[1], shape[2] * shape[3]))
      let classes = 0..<(model.classes?.count ?? 0)
      let stored = try file.int64s("y").map { classes.contains(Int($0)) ? Int($0) : nil }
      let output = model(
        x, timesteps: try file.int64s("t").map { Float($0) },
        conditioning: Conditioning(classes: labels ?? stored))
      return exchanged(Array(output.elements), batch: shape[0], shape[2] * shape[3], shape[1])
    }
  }

  /// Without a backward pass, running averages normalise.
  @Test func evaluation() throws {
    let evaluation = try Evaluation()
    let output = try evaluation.output(gradients: nil)
    #expect(relativeError(of: output, from: try evaluation.file.floats("output")) < 1e-5)
  }

  /// A training step's averages, as PyTorch moves them.
  @Test func runningAverages() throws {
    let evaluation = try Evaluation()
    let found = ParameterBuffer(count: evaluation.weights.count)
    _ = try evaluation.output(gradients: found)
    var compared = 0
    for parameter in evaluation.model.parameters.parameters {
      guard case .runningAverage(let momentum) = parameter.role else { continue }
      let range = parameter.offset..<parameter.offset + parameter.count
      let moved = zip(evaluation.weights.elements[range], found.elements[range]).map {
        (1 - momentum) * $0 + momentum * $1
      }
      let expected = try evaluation.file.floats("updated/\(parameter.name)")
      #expect(relativeError(of: moved, from: expected) < 1e-5, "\(parameter.name)")
      compared += 1
    }
    #expect(compared == 20)
    #expect(evaluation.model.parameters.batchCounters.count == 10)
  }

  /// An image of no class is one for which nothing is added; every class says something else.
  @Test func labelsCount() throws {
    let evaluation = try Evaluation()
    let outputs = try [[2, 1, 0], [2, nil, 0], [nil, nil, nil]].map {
      try evaluation.output(gradients: nil, labels: $0)
    }
    let size = outputs[0].count / 3
    func image(_ output: Int, _ image: Int) -> [Float] {
      Array(outputs[output][image * size..<(image + 1) * size])
    }
    #expect(image(0, 0) == image(1, 0) && image(0, 1) != image(1, 1) && image(0, 2) == image(1, 2))
    #expect(image(1, 1) == image(2, 1) && image(1, 0) != image(2, 0) && image(1, 2) != image(2, 2))
  }

  /// As many as PyTorch counts in the article's class.
  @Test func parametersAreTheArticles() throws {
    let layout = try model("{kind: conditional-unet, classes: 10}").parameters
    #expect(layout.valueCount == 2_168_784)
    let names = Set(layout.parameters.map(\.name))
    for name in [
      "down1.convs.0.weight", "down2.convs.1.running_var", "bot1.convs.3.bias", "up2.convs.4.weight",
      "up1.mlp.0.weight", "up1.mlp.2.bias", "out.weight", "label_embed.weight",
    ] {
      #expect(names.contains(name), "\(name)")
    }
    #expect(layout.batchCounters.contains("up1.convs.4.num_batches_tracked"))
  }

  @Test func classesAndSizes() throws {
    let without = try model("{kind: conditional-unet, channels: 3}")
    #expect(without.imageChannels == 3 && without.predictionChannels == 3)
    #expect(without.imageSize == .multiples(of: 4) && without.classes == nil)
    #expect(!without.parameters.parameters.contains { $0.name.hasPrefix("label_embed") })
    let with = try model("{kind: conditional-unet, classes: 10, class_dropout: 0.1}")
    #expect(with.classes == ModelClasses(count: 10, dropout: 0.1))
  }

  @Test(arguments: [
    ("{kind: conditional-unet, channels: 0}", "model.channels"),
    ("{kind: conditional-unet, width: 0}", "model.width"),
    ("{kind: conditional-unet, time_embed_dim: 0}", "model.time_embed_dim"),
    ("{kind: conditional-unet, classes: 0}", "model.classes"),
    ("{kind: conditional-unet, classes: 2, class_dropout: 1.5}", "model.class_dropout"),
    ("{kind: conditional-unet, class_dropout: 0.1}", "model.class_dropout: is 0.1, but there are no classes"),
    ("{kind: conditional-unet, clases: 2}", "classes"),
  ])
  func settingsThatCannotBe(yaml: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) { try model(yaml) }
    #expect(error.description.contains(message), "\(error)")
  }
}
