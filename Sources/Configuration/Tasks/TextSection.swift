import Settings

extension TaskSettings {
  /// The text encoder for the captions that a denoiser attends to: the `conditioning` section.
  public struct TextSection: Hashable, Sendable {
    /// Path of the text encoder, absolute or relative to the working directory.
    public let encoder: String
    /// Whether the encoder is trained together with the denoiser, starting from its weights at the path.
    public let isTrained: Bool
    /// Path of its tokeniser; nil if stored with the encoder.
    public let tokenizer: String?
    /// Probability with which training drops a caption.
    public let dropout: Double
    /// Maximum number of chunks, each as long as the text encoder's context, that a caption is split into.
    public let chunks: Int
  }
}

extension TaskSettings.TextSection {
  package static let trainingKey = "train_text_encoder"

  init(_ reader: SettingsReader) throws {
    encoder = try reader.required(
      "text_encoder", as: String.self,
      help: "what embeds captions: a folder of a pipeline or of CLIPTextModel, or a run of clip")
    tokenizer = try reader.value(
      "tokenizer", as: String.self, help: "its tokeniser's folder; null: the one that lies with it")
    isTrained = try reader.value(
      Self.trainingKey, default: false,
      help: "whether the text encoder is trained together with the denoiser, rather than frozen")
    dropout = try reader.value(
      "caption_dropout", default: 0.1, in: 0.0...1.0,
      help: "how often training leaves a caption out, which guidance needs")
    chunks = try reader.value(
      "caption_chunks", default: 1, in: 1...64,
      help: "how many times the text encoder's tokens a caption may have: it goes through in so many chunks")
  }
}
