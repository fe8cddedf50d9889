import Settings

/// The keys of `model` for `kind: clip-text`: those of transformers' `CLIPTextConfig`, with its defaults.
public struct CLIPTextSettings: Hashable, Sendable {
  public let transformer: CLIPTransformerSettings
  public let vocabularySize: Int
  /// Maximum number of tokens per text.
  public let tokenLimit: Int
  /// The token that ends a text.
  public let endToken: Int
  /// Number of final layers that are skipped.
  public let skippedLayers: Int

  /// - Throws: `SettingsError`, including for incompatible combinations.
  public init(_ reader: SettingsReader) throws {
    vocabularySize = try reader.value(
      "vocab_size", default: 49_408, in: 1...10_000_000, help: "number of tokens that there are")
    tokenLimit = try reader.value(
      "max_position_embeddings", default: 77, in: 1...65_536, help: "the most tokens of a text")
    transformer = try CLIPTransformerSettings(reader, width: 512, hiddenWidth: 2048, heads: 8)
    endToken = try reader.value(
      "eos_token_id", default: 49_407, in: 0...10_000_000,
      help:
        "the token that ends a text and stands for all of it; 2, as old files have it: that of the largest number"
    )
    reader.kept("bos_token_id", "pad_token_id", help: "the tokeniser's")
    skippedLayers =
      try reader.nullable(
        "clip_skip", default: nil, in: 0...1023, help: "layers that are left out at the end") ?? 0
    guard skippedLayers < transformer.layers else {
      throw reader.invalid(
        "clip_skip", "must be below num_hidden_layers (\(transformer.layers)), is \(skippedLayers)")
    }
  }
}
