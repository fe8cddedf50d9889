import Randomness
import Tensors

/// Dropout (Srivastava et al., 2014) before low-rank adapters: in training, each input element is set to 0 with
/// probability p, and otherwise divided by 1 - p.
public struct AdapterDropout: Sendable {
  private let probability: Float
  private let samples: TrainingSamples

  /// - Parameter samples: the tape's samples.
  public init(probability: Float, samples: TrainingSamples) {
    precondition((0..<1).contains(probability), "a probability of \(probability)")
    self.probability = probability
    self.samples = samples
  }

  /// x [B, ...] with some elements dropped; which ones depends on the sample's position, the layer and the input.
  ///
  /// - Parameters:
  ///   - weights: the layer's weights.
  ///   - input: the index of x among the layer's inputs.
  func callAsFunction(_ x: Tensor, of weights: Parameter, input: Int) -> Tensor {
    x
      * DropoutMask.make(
        x.shape, probability: probability, samples: samples, purpose: .dropout,
        layer: DropoutMask.layer(weights) &+ UInt64(input), on: x.tape)
  }
}
