import Tensors

/// A normal distribution over latents with independent components, diffusers' `DiagonalGaussianDistribution`.
public struct LatentDistribution {
  /// [B, H, W, C].
  public let mean: Tensor
  /// ln σ², clamped to -30...20.
  public let logVariance: Tensor

  /// The range that log-variances are clamped to.
  public static let bounds: ClosedRange<Float> = -30...20

  /// - Parameter moments: means, then log-variances, [B, H, W, 2 C].
  init(moments: Tensor) {
    let channels = moments.shape[3] / 2
    mean = moments.part(0..<channels, axis: 3)
    logVariance = moments.part(channels..<2 * channels, axis: 3).clamped(to: Self.bounds)
  }

  /// σ, [B, H, W, C].
  public var deviation: Tensor { logVariance.scaled(by: 0.5).exponential() }

  /// mean + σ noise.
  ///
  /// - Parameter noise: standard normal, [B, H, W, C].
  public func sample(noise: Tensor) -> Tensor { mean + deviation * noise }

  /// The KL divergence from the standard normal distribution, KL = 1/2 Σ (μ² + σ² - 1 - ln σ²), summed over a latent's
  /// values and averaged over the B latents (Kingma and Welling, 2014, appendix B). A scalar.
  public func divergence() -> Tensor {
    let terms =
      mean * mean + logVariance.exponential() + logVariance.scaled(by: -1, adding: -1)
    return terms.sum().scaled(by: 0.5 / Float(mean.shape[0]))
  }
}
