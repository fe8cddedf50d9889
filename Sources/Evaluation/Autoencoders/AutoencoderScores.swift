/// How well an autoencoder keeps images: means over those that were looked at.
public struct AutoencoderScores: Sendable {
  public let images: Int
  /// In dB, of the mean squared error of all images.
  public let peakSignalToNoise: Double
  /// nil for images that its window does not fit into.
  public let structuralSimilarity: Double?
  /// The divergence of the posterior from the standard normal distribution, in nats, of each channel of the latents,
  /// summed over its pixels.
  public let divergences: [Double]
  /// Pixels of a latent.
  public let latentPixels: Int

  /// In nats, summed over a latent.
  public var divergence: Double { divergences.reduce(0, +) }
  /// Of a latent's value.
  public var divergencePerDimension: Double { divergence / Double(latentPixels * divergences.count) }
}
