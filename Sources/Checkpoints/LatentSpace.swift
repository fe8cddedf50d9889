import Settings

/// The latent space in which a denoiser was trained: the autoencoder and the scaling of its latents.
public struct LatentSpace: Sendable, Equatable {
  /// The path of the autoencoder at the time of training.
  public let autoencoder: String
  /// A digest of the autoencoder's settings and weights.
  public let digest: String
  /// The factor by which latents are multiplied, after subtracting the shift.
  public let scalingFactor: Double
  public let shift: Double

  package init(autoencoder: String, digest: String, scalingFactor: Double, shift: Double) {
    self.autoencoder = autoencoder
    self.digest = digest
    self.scalingFactor = scalingFactor
    self.shift = shift
  }

  /// The manifest's section for it.
  static let key = "autoencoder"

  private enum Key {
    static let path = "path"
    static let digest = "sha256"
    static let scalingFactor = "scaling_factor"
    static let shift = "shift_factor"
  }

  /// Returns nil if the manifest has no such section.
  ///
  /// - Throws: `SettingsError`.
  init?(of manifest: SettingsReader) throws {
    guard manifest.isGiven(Self.key) else { return nil }
    let reader = try manifest.section(Self.key)
    autoencoder = try reader.required(Key.path, help: "where the autoencoder was")
    digest = try reader.required(Key.digest, help: "the digest of the autoencoder")
    scalingFactor = try reader.required(
      Key.scalingFactor, as: Double.self, in: Above(0.0), help: "what latents are multiplied by")
    shift = try reader.value(Key.shift, default: 0.0, help: "what is taken off them before")
  }

  var node: SettingsNode {
    [
      Key.path: SettingsNode(autoencoder), Key.digest: SettingsNode(digest),
      Key.scalingFactor: SettingsNode(scalingFactor), Key.shift: SettingsNode(shift),
    ]
  }
}

extension LatentSpace {
  /// Throws unless `digest` is that of the autoencoder the denoiser was trained with.
  ///
  /// - Parameters:
  ///   - path: the path of the autoencoder with this digest.
  ///   - checkpoint: the path of the denoiser's checkpoint.
  /// - Throws: `CheckpointError`.
  public func require(_ digest: String, of path: String, for checkpoint: String) throws {
    guard digest != self.digest else { return }
    throw CheckpointError.unsuitable(
      checkpoint,
      "was trained on latents of another autoencoder (\(autoencoder), SHA-256 \(self.digest.prefix(12))...) than \(path) "
        + "(\(digest.prefix(12))...): name that one")
  }
}
