import Settings

/// The text embedding space that a denoiser was trained with: the text encoder and its tokeniser.
public struct TextSpace: Sendable, Equatable {
  /// The path of the encoder at the time of training.
  public let encoder: String
  /// The path of its tokeniser at the time of training.
  public let tokenizer: String
  /// A digest of the encoder's settings and weights, and of the tokeniser's vocabulary.
  public let digest: String

  package init(encoder: String, tokenizer: String, digest: String) {
    self.encoder = encoder
    self.tokenizer = tokenizer
    self.digest = digest
  }

  /// The manifest's section for it.
  static let key = "text_encoder"

  private enum Key {
    static let path = "path"
    static let tokenizer = "tokenizer"
    static let digest = "sha256"
  }

  /// Returns nil if the manifest has no such section.
  ///
  /// - Throws: `SettingsError`.
  init?(of manifest: SettingsReader) throws {
    guard manifest.isGiven(Self.key) else { return nil }
    let reader = try manifest.section(Self.key)
    encoder = try reader.required(Key.path, help: "where the text encoder was")
    tokenizer = try reader.required(Key.tokenizer, help: "where its tokeniser was")
    digest = try reader.required(Key.digest, help: "the digest of both")
  }

  var node: SettingsNode {
    [
      Key.path: SettingsNode(encoder), Key.tokenizer: SettingsNode(tokenizer),
      Key.digest: SettingsNode(digest),
    ]
  }

  /// Throws unless `digest` is that of the encoder the denoiser was trained with.
  ///
  /// - Parameters:
  ///   - path: the path of the encoder with this digest.
  ///   - checkpoint: the path of the denoiser's checkpoint.
  /// - Throws: `CheckpointError`.
  public func require(_ digest: String, of path: String, for checkpoint: String) throws {
    guard digest != self.digest else { return }
    throw CheckpointError.unsuitable(
      checkpoint,
      "was trained with texts of another text encoder (\(encoder), SHA-256 \(self.digest.prefix(12))...) than \(path) "
        + "(\(digest.prefix(12))...): name that one")
  }
}
