import Layers
import Settings

// Keys and constraints shared by several kinds of model, so that bounds, help and messages agree.

extension SettingsReader {
  /// `channels`, those of the images.
  func imageChannels(default value: Int) throws -> Int {
    try self.value("channels", default: value, in: 1...1024, help: "channels of the images")
  }

  /// The channels of the prediction; nil for those of the images.
  func outputChannels(_ key: String) throws -> Int? {
    try value(
      key, as: Int.self, in: 1...4096, help: "channels of the prediction; those of the images if not given")
  }

  /// `padding`, how convolutions pad. Absent from the settings of a network with zero padding, so that they match those of
  /// the published class.
  func paddingMode() throws -> PaddingMode {
    guard isGiven(PaddingMode.settingsKey) else { return .zeros }
    return try choice(
      PaddingMode.settingsKey, default: PaddingMode.zeros,
      help: "beyond the edges: zeros, or periodic, what lies at the opposite ones")
  }

  /// `dim_mults`, the widths of `AnnotatedUNet` and `ResNetUNet` at each resolution.
  func dimMultiples() throws -> [Int] {
    try value(
      "dim_mults", default: [1, 2, 4, 8], in: 1...64, count: 1...8,
      help: "channels of each resolution as multiples of dim")
  }

  /// `groups` of each group normalisation.
  func groups(default value: Int) throws -> Int {
    try self.value("groups", default: value, in: 1...1024, help: "groups of each group normalisation")
  }

  /// - Throws: `SettingsError` naming `groups` unless they divide the channels of every stage.
  func require(groups: Int, divide stages: [Int]) throws {
    guard let misfit = stages.first(where: { $0 % groups != 0 }) else { return }
    throw invalid("groups", "\(groups) groups do not divide the \(misfit) channels of a stage")
  }

  /// - Throws: `SettingsError` unless a time embedding of width `value` has as many sines as cosines.
  func requireTimeEmbedding(_ key: String, _ value: Int) throws {
    guard value % 2 != 0 else { return }
    throw invalid(key, "must be even, is \(value): half of the time embedding are sines, half cosines")
  }

  /// - Parameter reason: why `value` must be a multiple of `divisor`.
  /// - Throws: `SettingsError` with the nearest multiples if it is not.
  func requireMultiple(_ key: String, _ value: Int, of divisor: Int, _ reason: String) throws {
    guard value % divisor != 0 else { return }
    let lower = value / divisor * divisor
    throw invalid(
      key, "must be a multiple of \(divisor), is \(value): \(reason); \(lower) or \(lower + divisor) would do"
    )
  }
}

extension PaddingMode {
  /// The key of model settings.
  package static let settingsKey = "padding"
}
