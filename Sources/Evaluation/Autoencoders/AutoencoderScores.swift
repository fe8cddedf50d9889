/// The quality of an autoencoder's reconstructions: means over the evaluated images.
public struct AutoencoderScores: Sendable {
  public let images: Int
  /// In dB, from the mean squared error over all images.
  public let peakSignalToNoise: Double
  /// nil for images smaller than its window.
  public let structuralSimilarity: Double?
  /// The divergence of the posterior from the standard normal distribution, in nats, for each latent channel, summed
  /// over its pixels.
  public let divergences: [Double]
  /// The number of pixels of a latent.
  public let latentPixels: Int

  /// In nats, summed over a latent.
  public var divergence: Double { divergences.reduce(0, +) }
  /// Per latent value, in nats.
  public var divergencePerDimension: Double { divergence / Double(latentPixels * divergences.count) }
}
