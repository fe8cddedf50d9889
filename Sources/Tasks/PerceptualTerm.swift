import Models
import Tensors

/// What an autoencoder's loss has beside the distance of values: how different images look.
public struct PerceptualTerm: Sendable {
  private let model: LPIPS
  private let weights: ParameterBuffer
  private let factor: Float

  /// - Parameters:
  ///   - weights: of the model, which stay as they are.
  ///   - factor: of its part of the loss.
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
