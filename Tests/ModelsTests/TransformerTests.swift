import Models
import NumericsTestSupport
import Settings
import Tensors
import Testing

@Suite struct DiTTests {
  private let small = "{kind: dit, image_size: 8, hidden_size: 16, depth: 2, heads: 2"

  /// The article's model is DiT-S/4 for 28x28 images of one channel and one class.
  @Test func parametersAreTheArticles() throws {
    let model = try model("{kind: dit}")
    let shapes = Dictionary(uniqueKeysWithValues: model.parameters.parameters.map { ($0.name, $0.fileShape) })
    #expect(shapes.count == 12 + 12 * 10)
    #expect(shapes["x_embedder.proj.weight"] == [384, 1, 4, 4])
    #expect(shapes["t_embedder.mlp.0.weight"] == [384, 256])
    #expect(shapes["y_embedder.embedding_table.weight"] == [2, 384])
    #expect(shapes["pos_embed"] == [1, 49, 384])
    #expect(shapes["blocks.11.attn.qkv.weight"] == [1152, 384])
    #expect(shapes["blocks.0.mlp.fc1.weight"] == [1536, 384])
    #expect(shapes["blocks.0.adaLN_modulation.1.bias"] == [2304])
    #expect(shapes["final_layer.linear.weight"] == [16, 384])
    // x_embedder, t_embedder, y_embedder; blocks: attention, perceptron, modulation; final layer.
    let (d, embedders) = (384, 17 * 384 + 257 * 384 + 385 * 384 + 2 * 384)
    let block = (3 * d + d) * (d + 1) + 4 * d * (d + 1) + d * (4 * d + 1) + 6 * d * (d + 1)
    #expect(model.parameters.valueCount == embedders + 12 * block + 2 * d * (d + 1) + 16 * (d + 1))
    #expect(model.parameters.segments().filter { $0.role != .trained }.map(\.range.count) == [49 * 384])
    #expect(model.imageChannels == 1 && model.predictionChannels == 1 && model.imageSize == .square(28))
    #expect(model.classes == ModelClasses(count: 1, dropout: 0.1))
  }

  @Test func options() throws {
    let model = try model("\(small), channels: 3, learn_sigma: true, classes: 10, class_dropout: 0}")
    #expect(model.predictionChannels == 6 && model.classes == ModelClasses(count: 10, dropout: 0))
    let table = try #require(model.parameters.parameters.first { $0.name.hasPrefix("y_embedder") })
    #expect(table.fileShape == [10, 16])
    try model.check(height: 8, width: 8, channels: 3)
    #expect(throws: ModelError.self) { try model.check(height: 8, width: 12, channels: 3) }
  }

  /// What a model with `weights` predicts for the same image with each of `labels`.
  private func predict(_ model: any Denoiser, _ weights: ParameterBuffer, labels: [Int?]) -> [[Float]] {
    let tape = Tape(engine: Engine(threadCount: 1), weights: weights, gradients: nil)
    let x = tape.input([labels.count, 8, 8, 1])
    for (index, value) in normalValues(64, seed: 1).enumerated() {
      for image in labels.indices { x.elements[image * 64 + index] = value }
    }
    let output = model(x, timesteps: labels.map { _ in 5 }, conditioning: Conditioning(classes: labels))
    return withExtendedLifetime(output) {
      labels.indices.map { Array(output.elements[$0 * 64..<$0 * 64 + 64]) }
    }
  }

  /// Weights that do not start from zero.
  private func weights(_ model: any Denoiser) -> ParameterBuffer {
    let weights = model.parameters.initialWeights(seed: 1)
    for parameter in model.parameters.trained {
      for (index, value) in normalValues(parameter.count, seed: 3).enumerated() {
        weights.elements[parameter.offset + index] += 0.1 * value
      }
    }
    return weights
  }

  /// A new model predicts nothing: all gates and the last layer are zero.
  @Test func newModelsPredictZero() throws {
    let model = try model("\(small)}")
    let prediction = predict(model, model.parameters.initialWeights(seed: 1), labels: [0])
    #expect(prediction == [[Float](repeating: 0, count: 64)])
  }

  /// With one class all that have one are of it; without one there is a row of its own.
  @Test func oneClass() throws {
    let model = try model("\(small)}")
    let images = predict(model, weights(model), labels: [0, 7, nil])
    #expect(relativeError(of: images[1], from: images[0]) < 1e-5)
    #expect(relativeError(of: images[2], from: images[0]) > 1e-2)
  }

  @Test func classes() throws {
    let model = try model("\(small), classes: 3, class_dropout: 0}")
    let images = predict(model, weights(model), labels: [0, 2, nil, 2])
    #expect(relativeError(of: images[3], from: images[1]) < 1e-5)
    for (a, b) in [(0, 1), (0, 2), (1, 2)] { #expect(relativeError(of: images[a], from: images[b]) > 1e-2) }
  }

  @Test(arguments: [
    (
      "{kind: dit, patch_size: 5}",
      "model.patch_size: must divide image_size (28), is 5; 1, 2, 4, 7, 14 or 28 would do"
    ),
    ("{kind: dit, image_size: 1, patch_size: 2}", "is 2; 1 would do"),
    ("{kind: dit, hidden_size: 42}", "model.hidden_size: must be a multiple of 4, is 42"),
    ("{kind: dit, hidden_size: 42}", "; 40 or 44 would do"),
    (
      "{kind: dit, hidden_size: 16}",
      "model.heads: must divide hidden_size (16), is 6; 1, 2, 4, 8 or 16 would do"
    ),
    ("{kind: dit, hidden_size: 8, heads: 1, mlp_ratio: 0.1}", "model.mlp_ratio: leaves no numbers"),
    ("{kind: dit, depth: 0}", "model.depth"),
    ("{kind: dit, class_dropout: 1.5}", "model.class_dropout"),
    ("{kind: dit, num_heads: 6}", "model.num_heads"),
  ])
  func settingsThatCannotBe(yaml: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) { try model(yaml) }
    #expect(error.description.contains(message), "\(error)")
  }
}

@Suite struct AttentionUNetTests {
  /// The article's model, whose class has 64 channels at full resolution.
  @Test func parametersAreTheArticles() throws {
    let model = try model("{kind: attention-unet}")
    let shapes = Dictionary(uniqueKeysWithValues: model.parameters.parameters.map { ($0.name, $0.fileShape) })
    #expect(shapes["inc.conv1.0.weight"] == [64, 3, 3, 3])
    #expect(shapes["down3.down.1.conv1.0.weight"] == [256, 256, 3, 3])
    #expect(shapes["down1.emb_layer.1.weight"] == [128, 128])
    #expect(shapes["sa1.mha.in_proj_weight"] == [384, 128] && shapes["sa1.mha.in_proj_bias"] == [384])
    #expect(shapes["bot2.conv2.1.weight"] == [512])
    #expect(shapes["up1.conv.conv1.0.weight"] == [128, 512, 3, 3])
    #expect(shapes["sa6.ff_self.3.weight"] == [64, 64])
    #expect(shapes["outc.weight"] == [3, 64, 1, 1])
    #expect(model.imageChannels == 3 && model.predictionChannels == 3 && model.imageSize == .square(64))
    #expect(model.classes == nil)
  }

  @Test func options() throws {
    let model = try model("{kind: attention-unet, width: 12, image_size: 24, channels: 1, out_channels: 2}")
    #expect(model.imageChannels == 1 && model.predictionChannels == 2 && model.imageSize == .square(24))
    try model.check(height: 24, width: 24, channels: 1)
  }

  @Test(arguments: [
    (
      "{kind: attention-unet, image_size: 28}",
      "model.image_size: must be a multiple of 8, is 28: the model halves its images 3 times; 24 or 32 would do"
    ),
    (
      "{kind: attention-unet, width: 30}",
      "model.width: must be a multiple of 4, is 30: attention splits the channels into 4 heads; 28 or 32 would do"
    ),
    ("{kind: attention-unet, time_dim: 7}", "model.time_dim: must be even, is 7"),
    ("{kind: attention-unet, image_size: 4}", "model.image_size"),
    ("{kind: attention-unet, size: 64}", "model.size"),
  ])
  func settingsThatCannotBe(yaml: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) { try model(yaml) }
    #expect(error.description.contains(message), "\(error)")
  }
}
