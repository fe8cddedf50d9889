import Models
import Settings
import Text

/// The text components of a pipeline.
public struct PipelineText: Sendable {
  public let tokenizer: CLIPTokenizer
  /// Used for negative and empty prompts.
  public let encoder: any TextEncoder
  /// Used for prompts: the same weights, possibly without the last layers. diffusers skips no layers for negative
  /// prompts.
  public let promptEncoder: any TextEncoder

  private static let tokenizers = ["CLIPTokenizer", "CLIPTokenizerFast"]

  /// - Returns: nil for a pipeline whose network has no text conditioning.
  /// - Throws: `ModelFileError` for components that are missing or do not fit; `SettingsError`, `TokenizerError`,
  ///   `FileError`.
  init?(_ path: String, _ index: PipelineIndex, model: any Denoiser, skippedLayers: Int) throws {
    guard let width = model.contextWidth else { return nil }
    typealias Name = PipelineFolder.Name
    let reason = "its \(Name.unet) attends to texts"
    _ = try index.requiredClass(of: Name.textEncoder, among: ["CLIPTextModel"], for: reason)
    _ = try index.requiredClass(of: Name.tokenizer, among: Self.tokenizers, for: reason)
    let file = "\(path)/\(Name.textEncoder)/\(Name.configuration)"
    let section = try PipelineFolder.json(file)
      .setting("kind", to: SettingsNode(TextEncoderKind.clipText.rawValue))
    func makeEncoder(skipping layers: Int) throws -> any TextEncoder {
      let section = layers == 0 ? section : section.setting("clip_skip", to: SettingsNode(layers))
      return try PipelineFolder.network(section, file) { try TextEncoderKind.model($0) }
    }
    encoder = try makeEncoder(skipping: 0)
    promptEncoder = try makeEncoder(skipping: skippedLayers)
    tokenizer = try CLIPTokenizer(path: "\(path)/\(Name.tokenizer)")
    guard encoder.width == width else {
      throw ModelFileError(
        path,
        "its \(Name.unet) attends to tokens of \(width) numbers, and its \(Name.textEncoder) makes tokens of "
          + "\(encoder.width)")
    }
    try Self.requireFit(tokenizer, encoder, path)
  }

  static func requireFit(
    _ tokenizer: CLIPTokenizer, _ encoder: any TextEncoder, _ path: String
  ) throws {
    guard tokenizer.vocabularySize <= encoder.vocabularySize else {
      throw ModelFileError(
        path,
        "its tokenizer does not belong to its text_encoder: it has tokens up to \(tokenizer.vocabularySize - 1), and "
          + "the encoder knows those up to \(encoder.vocabularySize - 1)")
    }
    guard tokenizer.contextLength <= encoder.tokenLimit else {
      throw ModelFileError(
        path,
        "its tokenizer does not belong to its text_encoder: it makes \(tokenizer.contextLength) tokens of a text, and "
          + "the encoder takes \(encoder.tokenLimit)")
    }
  }

  /// A note for the user; nil if there is none.
  public var note: String? {
    guard tokenizer.vocabularySize < encoder.vocabularySize else { return nil }
    return
      "the tokenizer knows \(tokenizer.vocabularySize) tokens and the text encoder \(encoder.vocabularySize): do they "
      + "belong together?"
  }
}
