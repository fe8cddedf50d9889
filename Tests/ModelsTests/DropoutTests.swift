import Layers
import Models
import NumericsTestSupport
import Randomness
import Tensors
import Testing

/// Dropout in the residual blocks of diffusers' U-Nets.
@Suite struct DropoutTests {
  private static let unet = """
    kind: unet-2d
    in_channels: 2
    out_channels: 2
    block_out_channels: [4, 8]
    down_block_types: [DownBlock2D, AttnDownBlock2D]
    up_block_types: [AttnUpBlock2D, UpBlock2D]
    norm_num_groups: 2
    layers_per_block: 1
    attention_head_dim: 4
    """

  /// A pass through the model with random weights, and the gradients of the sum of what it predicts.
  private struct Pass {
    let output: [Float]
    let gradients: [Float]

    init(
      _ model: any Denoiser, _ samples: TrainingSamples?, images: Int = 2, threads: Int = 2,
      recomputes: Bool = false, change: (UnsafeMutableBufferPointer<Float>) -> Void = { _ in }
    ) {
      let engine = Engine(threadCount: threads)
      let weights = model.parameters.initialWeights(seed: 1)
      change(weights.elements)
      let gradients = ParameterBuffer(count: weights.count)
      let tape = Tape(
        engine: engine,
        sets: [BoundParameters(model.parameters.set, weights: weights, gradients: gradients)],
        recomputes: recomputes, trainingSamples: samples)
      let x = tape.input([images, 8, 8, model.imageChannels])
      RandomStream(seed: 2, purpose: .noise).fillNormal(x.elements)
      let prediction = model(x, timesteps: [Float](repeating: 7, count: images))
      output = Array(prediction.elements)
      let gradient = engine.storage(prediction.count)
      gradient.elements.update(repeating: 1)
      tape.backward(from: prediction, gradient: gradient)
      self.gradients = Array(gradients.elements)
      withExtendedLifetime((prediction, gradients, weights)) {}
    }
  }

  private func samples(step: Int = 3, _ positions: Range<Int>, seed: UInt64 = 5) -> TrainingSamples {
    TrainingSamples(seed: seed, step: step, positions: positions)
  }

  @Test func onlyTrainingDrops() throws {
    let (plain, dropping) = (try model(Self.unet), try model(Self.unet + "\ndropout: 0.4"))
    let expected = Pass(plain, nil).output
    #expect(bitPatterns(Pass(dropping, nil).output) == bitPatterns(expected))
    #expect(bitPatterns(Pass(plain, samples(0..<2)).output) == bitPatterns(expected))
    #expect(Pass(dropping, samples(0..<2)).output != expected)
  }

  /// What is dropped depends on a sample's position in the step's batch, the step and the seed.
  @Test func itFollowsThePosition() throws {
    let model = try model(Self.unet + "\ndropout: 0.4")
    let both = Pass(model, samples(6..<8)).output
    let first = Array(both.prefix(both.count / 2))
    #expect(bitPatterns(Pass(model, samples(6..<7), images: 1).output) == bitPatterns(first))
    #expect(Pass(model, samples(5..<7)).output != both)
    #expect(Pass(model, samples(step: 4, 6..<8)).output != both)
    #expect(Pass(model, samples(6..<8, seed: 6)).output != both)
  }

  @Test func bitsAreTheSame() throws {
    let model = try model(Self.unet + "\ndropout: 0.4")
    let expected = Pass(model, samples(4..<6), threads: 1)
    for (threads, recomputes) in [(3, false), (2, true)] {
      let pass = Pass(model, samples(4..<6), threads: threads, recomputes: recomputes)
      #expect(bitPatterns(pass.output) == bitPatterns(expected.output))
      #expect(bitPatterns(pass.gradients) == bitPatterns(expected.gradients))
    }
  }

  /// The gradient is that of the network with the same inputs dropped.
  @Test func gradientsAreDifferences() throws {
    let model = try model(Self.unet + "\ndropout: 0.4")
    let direction = normalValues(model.parameters.flatCount, seed: 8)
    func sum(_ length: Float) -> Double {
      Pass(model, samples(0..<2)) { weights in
        for index in weights.indices { weights[index] += length * direction[index] }
      }.output.reduce(0) { $0 + Double($1) }
    }
    let gradients = Pass(model, samples(0..<2)).gradients
    let slope = zip(gradients, direction).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    let length: Float = 1e-3
    let difference = (sum(length) - sum(-length)) / (2 * Double(length))
    #expect(abs(slope - difference) < 0.02 * abs(difference), "\(slope), by differences \(difference)")
  }

  /// Elements are zero as often as asked for, and the rest makes up for them.
  @Test func elementsAreDroppedAsOftenAsAskedFor() {
    let builder = ParameterBuilder()
    let layers = (0..<2).map { Convolution2D(builder["conv\($0)"], 16, 4, kernel: 1) }
    let weights = builder.layout.initialWeights(seed: 1)
    func masks(gradients: ParameterBuffer?) -> [[Float]] {
      let tape = Tape(
        engine: Engine(threadCount: 2),
        sets: [BoundParameters(builder.layout.set, weights: weights, gradients: gradients)],
        trainingSamples: samples(0..<3))
      let x = tape.input([3, 40, 40, 16])
      x.elements.update(repeating: 1)
      return layers.map { Array($0.dropping(0.3, of: x).elements) }
    }
    // A frozen network drops nothing.
    #expect(masks(gradients: nil).allSatisfy { $0.allSatisfy { $0 == 1 } })
    let masks = masks(gradients: ParameterBuffer(count: builder.layout.flatCount))
    for mask in masks {
      #expect(mask.allSatisfy { $0 == 0 || $0 == 1 / 0.7 as Float })
      let share = Double(mask.count { $0 == 0 }) / Double(mask.count)
      #expect(abs(share - 0.3) < 0.01, "\(share)")
    }
    // Layers, and samples, drop independently of each other.
    let both = Double(zip(masks[0], masks[1]).count { $0.0 == 0 && $0.1 == 0 }) / Double(masks[0].count)
    #expect(abs(both - 0.09) < 0.01, "\(both)")
    let size = masks[0].count / 3
    let pairs = zip(masks[0][..<size], masks[0][size..<2 * size])
    #expect(abs(Double(pairs.count { $0.0 == 0 && $0.1 == 0 }) / Double(size) - 0.09) < 0.01)
  }
}
