import Randomness
import Tensors

/// Dropout (Srivastava et al., 2014) before low-rank adapters: in training, each input element is set to 0 with
/// probability p, and otherwise divided by 1 - p.
public struct AdapterDropout: Sendable {
  private let probability: Float
  private let samples: TrainingSamples
  private let model: Int

  /// - Parameters:
  ///   - samples: the tape's samples.
  ///   - model: the number of the adapted model among those of the tape, whose layers draw different numbers.
  public init(probability: Float, samples: TrainingSamples, model: Int = 0) {
    precondition((0..<1).contains(probability), "a probability of \(probability)")
    self.probability = probability
    self.samples = samples
    self.model = model
  }

  /// x [n B, ...] with some elements dropped, for n consecutive rows of each of B samples; which ones depends on the
  /// sample's position, the model, the layer and the input.
  ///
  /// - Parameters:
  ///   - weights: the layer's weights.
  ///   - input: the index of x among the layer's inputs.
  func callAsFunction(_ x: Tensor, of weights: Parameter, input: Int) -> Tensor {
    let count = samples.positions.count
    precondition(x.shape[0] % count == 0, "\(x.shape) for \(count) samples")
    return x
      * DropoutMask.make(
        [count, x.count / count], probability: probability, samples: samples, purpose: .dropout,
        layer: DropoutMask.layer(weights) &+ UInt64(input) &+ UInt64(model) << 32, on: x.tape
      ).reshaped(x.shape)
  }
}
