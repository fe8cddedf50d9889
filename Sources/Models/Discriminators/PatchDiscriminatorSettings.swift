import Settings

/// The keys of a configuration's `discriminator` section that describe the network.
public struct PatchDiscriminatorSettings: Hashable, Sendable {
  /// Channels of the first convolution; each further one doubles them, up to a factor of 8.
  public let width: Int
  /// Number of convolutions that halve the resolution.
  public let layers: Int
  /// Groups of each group normalisation; 0 disables normalisation.
  public let groups: Int

  /// - Throws: `SettingsError`.
  public init(_ reader: SettingsReader) throws {
    width = try reader.value(
      "width", default: 64, in: 1...4096,
      help: "channels of the first convolution, doubled by each, to 8 times")
    layers = try reader.value("layers", default: 3, in: 1...12, help: "convolutions that halve the image")
    groups = try reader.value(
      "norm_num_groups", default: 32, in: 0...16_384,
      help: "groups of each group normalisation; 0: nothing is normalised")
    let widths = widths.dropFirst()
    if groups > 0, let odd = widths.first(where: { $0 % groups != 0 }) {
      throw reader.invalid("norm_num_groups", "\(groups) groups do not divide the \(odd) channels of a layer")
    }
  }

  /// Output channels of each convolution except the last, which has one.
  var widths: [Int] { (0...layers).map { width * min(1 << $0, 8) } }
}
