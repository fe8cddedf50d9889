import Settings

/// The embedded texts that a denoiser was trained with: of which text encoder they are.
public struct TextSpace: Sendable, Equatable {
  /// Where the encoder was.
  public let encoder: String
  /// Where its tokeniser was.
  public let tokenizer: String
  /// A digest of the settings and weights of the encoder, and of the tokeniser's vocabulary.
  public let digest: String

  package init(encoder: String, tokenizer: String, digest: String) {
    self.encoder = encoder
    self.tokenizer = tokenizer
    self.digest = digest
  }

  /// The section of a manifest that has it.
  static let key = "text_encoder"

  private enum Key {
    static let path = "path"
    static let tokenizer = "tokenizer"
    static let digest = "sha256"
  }

  /// nil if the manifest has none.
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

  /// Throws unless the encoder of this digest is the one that the texts were embedded by.
  ///
  /// - Parameters:
  ///   - path: where that one lies.
  ///   - checkpoint: what was trained with the texts.
  /// - Throws: `CheckpointError`.
  public func require(_ digest: String, of path: String, for checkpoint: String) throws {
    guard digest != self.digest else { return }
    throw CheckpointError.unsuitable(
      checkpoint,
      "was trained with texts of another text encoder (\(encoder), SHA-256 \(self.digest.prefix(12))...) than \(path) "
        + "(\(digest.prefix(12))...): name that one")
  }
}
