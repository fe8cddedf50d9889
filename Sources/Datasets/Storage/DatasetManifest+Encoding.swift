extension DatasetManifest {
  /// How latents were made of another dataset's images.
  public struct Encoding: Codable, Sendable, Equatable {
    /// The digest of the dataset with the images.
    public var sourceDigest: String
    /// Where the autoencoder was when it encoded, and a digest of its settings and weights.
    public var autoencoder: String
    public var autoencoderDigest: String
    /// What the images were.
    public var image: Field
    /// 1 / σ, for σ the standard deviation of all latents' values: what brings them to unit variance.
    public var scalingFactor: Double
    /// Samples that were encoded together, and for each such part what its latents depend on: when a dataset is encoded
    /// again, parts of the same key are taken as they are.
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
