import Models
import Tensors

/// A network that controls what is drawn by an image, and the image.
public struct SampleControl: Sendable {
  private let network: any ControlNetwork
  private let weights: ParameterBuffer
  /// [s H, s W, C], from 0 to 1.
  private let image: [Float]
  private let strength: Float

  /// - Parameters:
  ///   - image: [s H, s W, C] from 0 to 1, s the network's scale.
  ///   - strength: what the residuals are multiplied by.
  public init(_ network: any ControlNetwork, weights: ParameterBuffer, image: [Float], strength: Float) {
    self.network = network
    self.weights = weights
    self.image = image
    self.strength = strength
  }

  /// The set that a tape binds beside the denoiser's.
  var bound: BoundParameters { BoundParameters(network.parameters.set, weights: weights) }

  /// What the network adds to a denoiser of noisy images [n, H, W, C] that is told `conditioning`.
  func residuals(
    _ noisy: Tensor, timesteps: [Float], _ conditioning: Conditioning
  ) -> Conditioning.ControlResiduals {
    let (count, scale) = (noisy.shape[0], network.conditionScale)
    let shape = [scale * noisy.shape[1], scale * noisy.shape[2], network.conditionChannels]
    precondition(image.count == shape.reduce(1, *), "an image of \(image.count) values for \(shape)")
    let condition = noisy.tape.input([count] + shape)
    for sample in 0..<count {
      let own = UnsafeMutableBufferPointer(
        rebasing: condition.elements[sample * image.count..<(sample + 1) * image.count])
      _ = own.update(fromContentsOf: image)
    }
    let residuals = network(noisy, timesteps: timesteps, condition: condition, conditioning: conditioning)
    guard strength != 1 else { return residuals }
    return Conditioning.ControlResiduals(
      skips: residuals.skips.map { $0.scaled(by: strength) }, middle: residuals.middle.scaled(by: strength))
  }
}
