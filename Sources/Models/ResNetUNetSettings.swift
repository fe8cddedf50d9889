import Settings

/// The keys of `model` for `kind: resnet-unet`, as the article's `Unet` takes them.
public struct ResNetUNetSettings: Hashable, Sendable {
  /// Channels at full resolution, and the width of the time embedding.
  public let dim: Int
  /// Channels after the first convolution.
  public let initialDim: Int
  /// Channels of each resolution as multiples of `dim`; each further one halves height and width.
  public let dimMultiples: [Int]
  public let channels: Int
  public let outputChannels: Int
  public let hasTimeEmbedding: Bool
  /// Groups of the normalisation after each convolution.
  public let groups: Int

  /// - Throws: `SettingsError` also for combinations that the article's arithmetic does not allow.
  public init(_ reader: SettingsReader) throws {
    dim = try reader.value("dim", default: 64, in: 4...4096, help: "channels at full resolution")
    let initialDim = try reader.value(
      "init_dim", as: Int.self, in: 1...4096,
      help: "channels after the first convolution; two thirds of dim if not given")
    let outputDim = try reader.value(
      "out_dim", as: Int.self, in: 1...4096,
      help: "channels of the prediction; those of the images if not given")
    dimMultiples = try reader.value(
      "dim_mults", default: [1, 2, 4, 8], in: 1...64, count: 1...8,
      help: "channels of each resolution as multiples of dim")
    channels = try reader.value("channels", default: 3, in: 1...1024, help: "channels of the images")
    hasTimeEmbedding = try reader.value(
      "time_embedding", default: true, help: "whether the model is told the timestep")
    groups = try reader.value("groups", default: 8, in: 1...1024, help: "groups of each group normalisation")
    self.initialDim = initialDim ?? dim / 3 * 2
    outputChannels = outputDim ?? channels

    guard dim % 2 == 0 || !hasTimeEmbedding else {
      throw reader.invalid(
        "dim", "must be even, is \(dim): half of the time embedding are sines, half cosines")
    }
    guard dimMultiples[0] == 1 else {
      throw reader.invalid(
        "dim_mults",
        "must begin with 1, begins with \(dimMultiples[0]): the last block takes dim channels, and the way up ends "
          + "with those of the first resolution")
    }
    let misfit = dimMultiples.map { dim * $0 }.first { $0 % groups != 0 }
    if let misfit {
      throw reader.invalid("groups", "\(groups) groups do not divide the \(misfit) channels of a stage")
    }
  }
}
