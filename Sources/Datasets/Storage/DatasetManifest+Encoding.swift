extension DatasetManifest {
  /// How latents were encoded from another dataset's images.
  public struct Encoding: Codable, Sendable, Equatable {
    /// The digest of the image dataset.
    public var sourceDigest: String
    /// The autoencoder's path when it was used, and a digest of its settings and weights.
    public var autoencoder: String
    public var autoencoderDigest: String
    /// The field of the images.
    public var image: Field
    /// 1 / σ, with σ the standard deviation of all latent values: scales them to unit variance.
    public var scalingFactor: Double
    /// Number of samples per part, and for each part the key of everything that its latents depend on: a later encoding
    /// reuses parts with the same key.
    public var partSize: Int
    public var parts: [String]

    public init(
      sourceDigest: String, autoencoder: String, autoencoderDigest: String, image: Field,
      scalingFactor: Double, partSize: Int, parts: [String]
    ) {
      self.sourceDigest = sourceDigest
      self.autoencoder = autoencoder
      self.autoencoderDigest = autoencoderDigest
      self.image = image
      self.scalingFactor = scalingFactor
      self.partSize = partSize
      self.parts = parts
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
      case sourceDigest = "source_sha256"
      case autoencoder
      case autoencoderDigest = "autoencoder_sha256"
      case image
      case scalingFactor = "scaling_factor"
      case partSize = "part_size"
      case parts
    }

    var contradiction: String? {
      guard scalingFactor > 0, scalingFactor.isFinite else {
        return "has the scaling factor \(scalingFactor), expected a positive number"
      }
      if let contradiction = image.contradiction { return contradiction }
      guard partSize > 0 else { return "has parts of \(partSize) samples, expected some" }
      return nil
    }
  }
}
