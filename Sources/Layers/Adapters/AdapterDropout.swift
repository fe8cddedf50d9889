import Kernels
import Randomness
import Tensors

/// Dropout (Srivastava et al., 2014) before low-rank adapters: in training, each input element is set to 0 with
/// probability p, and otherwise divided by 1 - p.
public struct AdapterDropout: Sendable {
  private let probability: Float
  private let seed: UInt64
  private let step: Int
  private let samples: Range<Int>

  /// - Parameters:
  ///   - step: the number of completed steps.
  ///   - samples: the positions of the tape's samples in the step's batch, over all ranks.
  public init(probability: Float, seed: UInt64, step: Int, samples: Range<Int>) {
    precondition((0..<1).contains(probability), "a probability of \(probability)")
    self.probability = probability
    self.seed = seed
    self.step = step
    self.samples = samples
  }

  /// x [B, ...] with some elements dropped; which ones depends on the sample's position, the layer and the input.
  ///
  /// - Parameters:
  ///   - weights: the layer's weights.
  ///   - input: the index of x among the layer's inputs.
  func callAsFunction(_ x: Tensor, of weights: Parameter, input: Int) -> Tensor {
    let size = x.count / x.shape[0]
    precondition(x.shape[0] == samples.count, "\(x.shape) for samples \(samples)")
    let mask = x.tape.input(x.shape)
    let kept = 1 / (1 - probability)
    x.tape.engine.threads.parallel(samples.count) { index, _ in
      let stream = RandomStream(
        seed: seed &+ UInt64(weights.offset) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(input), purpose: .dropout,
        step: step, sample: samples.lowerBound + index)
      let values = UnsafeMutableBufferPointer(rebasing: mask.elements[index * size..<(index + 1) * size])
      stream.fillUniform(values, low: 0, high: 1)
      for place in values.indices { values[place] = values[place] < probability ? 0 : kept }
    }
    return x * mask
  }
}
