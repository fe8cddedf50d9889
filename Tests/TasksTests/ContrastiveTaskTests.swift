import Datasets
import Models
import Settings
import Tasks
import Tensors
import Testing

/// The contrastive loss of micro-batches against all features, beside that of the whole batch on one tape.
@Suite struct ContrastiveTaskTests {
  private static let settings = """
    {projection_dim: 6, logit_scale_init_value: 2.0,
    text_config: {vocab_size: 20, max_position_embeddings: 5, hidden_size: 8, intermediate_size: 8,
    num_hidden_layers: 1, num_attention_heads: 2, eos_token_id: 19},
    vision_config: {hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2,
    image_size: 4, patch_size: 2, num_channels: 1}}
    """
  private let count = 8
  private let engine = Engine(threadCount: 2)

  private func model() throws -> CLIP {
    try CLIP(CLIPSettings(SettingsReader(SettingsNode(yaml: Self.settings, source: "test"))))
  }

  private static func tokens(_ caption: String) -> [Int] {
    caption.utf8.prefix(4).map { Int($0) % 19 } + [Int](repeating: 19, count: 5 - min(4, caption.utf8.count))
  }

  private var batch: Loader.Batch {
    Loader.Batch(
      step: 0, images: (0..<count * 16).map { Float($0 * 37 % 101) / 50 - 1 }, shape: [4, 4, 1],
      labels: [Int32](repeating: -1, count: count), captions: (0..<count).map { "c\($0 * 5)" })
  }

  @Test(arguments: [1, 2, 4, 8]) func gradientsAreThoseOfTheWholeBatch(microbatches: Int) throws {
    let (model, batch) = (try model(), batch)
    let task = ContrastiveTask(model, imageShape: [4, 4, 1], seed: 0) { Self.tokens($0) }
    let layout = model.parameters
    let weights = layout.initialWeights(seed: 3)

    let expected = ParameterBuffer(count: layout.flatCount)
    let tape = Tape(engine: engine, weights: weights, gradients: expected)
    let images = tape.input([count, 4, 4, 1])
    _ = images.elements.update(fromContentsOf: batch.images)
    let loss = model.contrastiveLoss(
      images: model.embed(images: images),
      texts: model.embed(batch.captions.map { Self.tokens($0[0]) }, on: tape),
      scale: model.scale(on: tape))
    try tape.backward(from: Loss(loss))

    let size = count / microbatches
    func input(_ part: Int, _ all: WholeBatch?) -> TaskInput {
      let range = part * size..<(part + 1) * size
      return TaskInput(batch: batch, places: range, samples: range, step: 0, wholeBatch: all)
    }
    let features = (0..<microbatches).flatMap { part in
      Array(
        task.features(of: input(part, nil), on: Tape(engine: engine, weights: weights, gradients: nil))
          .elements)
    }
    let all = task.wholeBatch(features, weights: weights, engine: engine)
    var (value, sum) = (0.0, [Float](repeating: 0, count: layout.flatCount))
    for part in 0..<microbatches {
      let gradient = ParameterBuffer(count: layout.flatCount)
      let tape = Tape(engine: engine, weights: weights, gradients: gradient)
      let losses = task.losses(of: input(part, all), on: tape)
      try tape.backward(from: losses.total)
      value += losses.total.value / Double(microbatches)
      for index in sum.indices { sum[index] += gradient.elements[index] / Float(microbatches) }
    }
    #expect(abs(value - Double(loss.elements[0])) < 1e-5)
    let largest = zip(sum, expected.elements).map { abs($0 - $1) }.max() ?? .infinity
    let scale = expected.elements.map(abs).max() ?? 0
    #expect(largest < 1e-5 * scale, "\(largest) of \(scale)")
  }

  @Test func theScaleIsBounded() throws {
    let model = try model()
    let task = ContrastiveTask(model, imageShape: [4, 4, 1], seed: 0) { Self.tokens($0) }
    let weights = model.parameters.initialWeights(seed: 3)
    let place = model.logitScale.offset
    task.bound(weights)
    #expect(weights.pointer[place] == 2)
    weights.pointer[place] = 7
    task.bound(weights)
    #expect(abs(weights.pointer[place] - 4.6051702) < 1e-6)
  }
}
