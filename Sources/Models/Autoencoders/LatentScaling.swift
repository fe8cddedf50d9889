/// Maps latents to a denoiser's input, of about unit variance: x = factor (z - shift).
public struct LatentScaling: Hashable, Sendable {
  public let factor: Float
  public let shift: Float

  public init(factor: Float, shift: Float = 0) {
    precondition(factor > 0, "latents are scaled by a positive number, not \(factor)")
    self.factor = factor
    self.shift = shift
  }

  public func scaled(_ latent: Float) -> Float { factor * (latent - shift) }
  public func restored(_ value: Float) -> Float { value / factor + shift }
}

extension AutoencoderKL {
  /// The scaling from the autoencoder's settings.
  public var publishedScaling: LatentScaling { LatentScaling(factor: scalingFactor, shift: latentShift) }
}
