import Settings

/// The keys of `model` for `kind: resnet-unet`, those of the article's `Unet`.
public struct ResNetUNetSettings: Hashable, Sendable {
  /// Channels at full resolution, and the width of the time embedding.
  public let dim: Int
  /// Channels after the first convolution.
  public let initialDim: Int
  /// Channels of each resolution as multiples of `dim`; each resolution halves height and width of the previous one.
  public let dimMultiples: [Int]
  public let channels: Int
  public let outputChannels: Int
  public let hasTimeEmbedding: Bool
  /// Groups of the normalisation after each convolution.
  public let groups: Int

  /// - Throws: `SettingsError`, including for combinations that the article's arithmetic does not allow.
  public init(_ reader: SettingsReader) throws {
    dim = try reader.value("dim", default: 64, in: 4...4096, help: "channels at full resolution")
    let initialDim = try reader.value(
      "init_dim", as: Int.self, in: 1...4096,
      help: "channels after the first convolution; two thirds of dim if not given")
    let outputDim = try reader.outputChannels("out_dim")
    dimMultiples = try reader.dimMultiples()
    channels = try reader.imageChannels(default: 3)
    hasTimeEmbedding = try reader.value(
      "time_embedding", default: true, help: "whether the model is told the timestep")
    groups = try reader.groups(default: 8)
    self.initialDim = initialDim ?? dim / 3 * 2
    outputChannels = outputDim ?? channels

    if hasTimeEmbedding { try reader.requireTimeEmbedding("dim", dim) }
    guard dimMultiples[0] == 1 else {
      throw reader.invalid(
        "dim_mults",
        "must begin with 1, begins with \(dimMultiples[0]): the last block takes dim channels, and the way up ends "
          + "with those of the first resolution")
    }
    try reader.require(groups: groups, divide: dimMultiples.map { dim * $0 })
  }
}
