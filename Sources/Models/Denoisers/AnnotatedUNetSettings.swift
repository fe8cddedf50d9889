import Settings

/// The keys of `model` for `kind: annotated-unet`, those of the article's `Unet`.
public struct AnnotatedUNetSettings: Hashable, Sendable {
  /// Channels at full resolution.
  public let dim: Int
  /// Channels of each resolution as multiples of `dim`; each resolution halves height and width of the previous one.
  public let dimMultiples: [Int]
  public let channels: Int
  public let outputChannels: Int
  /// Groups of the normalisation after each convolution.
  public let groups: Int
  /// Doubles the input channels for the article's self-conditioning, which it always sets to zero.
  public let isSelfConditioned: Bool

  /// - Throws: `SettingsError`, including for combinations that the article's arithmetic does not allow.
  public init(_ reader: SettingsReader) throws {
    dim = try reader.value("dim", default: 64, in: 4...4096, help: "channels at full resolution")
    let initialDim = try reader.value(
      "init_dim", as: Int.self, in: 1...4096, help: "channels after the first convolution; must equal dim")
    let outputDim = try reader.outputChannels("out_dim")
    dimMultiples = try reader.dimMultiples()
    channels = try reader.imageChannels(default: 3)
    groups = try reader.groups(default: 4)
    isSelfConditioned = try reader.value(
      "self_condition", default: false, help: "whether an estimate of the image goes in beside it")
    outputChannels = outputDim ?? channels

    try reader.requireTimeEmbedding("dim", dim)
    if let initialDim, initialDim != dim {
      throw reader.invalid(
        "init_dim",
        "must equal dim (\(dim)), is \(initialDim): the last block takes 2 dim channels, half from the first convolution"
      )
    }
    try reader.require(groups: groups, divide: [dim] + dimMultiples.map { dim * $0 })
  }
}
