import Models
import Tensors

/// The perceptual term of an autoencoder's loss, added to the distance of values.
public struct PerceptualTerm: Sendable {
  private let model: LPIPS
  private let weights: ParameterBuffer
  private let factor: Float

  /// - Parameters:
  ///   - weights: the model's weights, which stay frozen.
  ///   - factor: weight of the term in the loss.
  public init(_ model: LPIPS, weights: ParameterBuffer, factor: Double) {
    self.model = model
    self.weights = weights
    self.factor = Float(factor)
  }

  var bound: BoundParameters { BoundParameters(model.parameters.set, weights: weights) }

  /// A scalar.
  func callAsFunction(_ reconstructions: Tensor, _ images: Tensor) -> Tensor {
    model(reconstructions, images).scaled(by: factor)
  }
}
