import Settings

/// The keys of `model` for `kind: conditional-unet`: those of the article's `UNetCond`, and its width.
public struct ConditionalUNetSettings: Hashable, Sendable {
  public let channels: Int
  /// Channels at full resolution; each of the two downsamplings doubles them. The article uses 64.
  public let width: Int
  /// Width of the embedding of time and class.
  public let embeddingWidth: Int
  /// nil for a model without classes.
  public let classes: ModelClasses?

  /// - Throws: `SettingsError`.
  public init(_ reader: SettingsReader) throws {
    channels = try reader.imageChannels(default: 1)
    width = try reader.value("width", default: 64, in: 1...4096, help: "channels at full resolution")
    embeddingWidth = try reader.value(
      "time_embed_dim", default: 100, in: 1...4096, help: "width of the embedding of time and class")
    let count = try reader.value(
      "classes", as: Int.self, in: 1...1_000_000, help: "classes that images can have; none if not given")
    let dropout = try reader.value(
      "class_dropout", default: 0, in: 0.0...1.0,
      help: "how often training keeps an image's class from the model")
    guard count != nil || dropout == 0 else {
      throw reader.invalid(
        "class_dropout", "is \(dropout), but there are no classes: set classes to their number")
    }
    classes = count.map { ModelClasses(count: $0, dropout: dropout) }
  }
}
