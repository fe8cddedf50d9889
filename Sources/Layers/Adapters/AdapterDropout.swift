import Randomness
import Tensors

/// Dropout (Srivastava et al., 2014) before low-rank adapters: in training each input of one is 0 with some probability,
/// and otherwise divided by the probability that it is not.
public struct AdapterDropout: Sendable {
  private let probability: Float
  private let samples: TrainingSamples

  /// - Parameter samples: the tape's.
  public init(probability: Float, samples: TrainingSamples) {
    precondition((0..<1).contains(probability), "a probability of \(probability)")
    self.probability = probability
    self.samples = samples
  }

  /// x [B, ...] with some elements dropped: of a sample's they depend on its position, the layer and the input.
  ///
  /// - Parameters:
  ///   - weights: of the layer.
  ///   - input: which of the layer's inputs it is.
  func callAsFunction(_ x: Tensor, of weights: Parameter, input: Int) -> Tensor {
    x
      * DropoutMask.make(
        x.shape, probability: probability, samples: samples, purpose: .dropout,
        layer: DropoutMask.layer(weights) &+ UInt64(input), on: x.tape)
  }
}
