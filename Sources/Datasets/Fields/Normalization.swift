/// Statistics of each channel over all samples, ignoring missing values.
public struct ChannelStatistics: Codable, Sendable, Equatable {
  /// Number of values per channel.
  public var count: [Int]
  public var minimum: [Double]
  public var maximum: [Double]
  public var mean: [Double]
  /// The population standard deviation.
  public var deviation: [Double]

  public init(count: [Int], minimum: [Double], maximum: [Double], mean: [Double], deviation: [Double]) {
    self.count = count
    self.minimum = minimum
    self.maximum = maximum
    self.mean = mean
    self.deviation = deviation
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case count, minimum, maximum, mean, deviation
  }

  func isComplete(for channels: Int) -> Bool {
    count.count == channels && [minimum, maximum, mean, deviation].allSatisfy { $0.count == channels }
  }
}

/// An affine map per channel that brings values in any units to about [-1, 1]: y = (x - offset) / scale.
public struct Normalization: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable, CaseIterable {
    /// Mean 0, standard deviation 1.
    case standard
    /// Maps the minimum to -1 and the maximum to 1.
    case minMax = "min-max"
  }

  public var kind: Kind
  /// Per channel, in the source's units.
  public var offset: [Double]
  /// Per channel, positive.
  public var scale: [Double]
  /// Whether the shards hold y. Otherwise they hold x, and the loader computes y.
  public var isStored: Bool

  public init(kind: Kind, offset: [Double], scale: [Double], isStored: Bool) {
    self.kind = kind
    self.offset = offset
    self.scale = scale
    self.isStored = isStored
  }

  /// The map that normalises values with these statistics according to `kind`.
  package init(_ kind: Kind, _ statistics: ChannelStatistics) {
    switch kind {
    case .standard: (offset, scale) = (statistics.mean, statistics.deviation)
    case .minMax:
      let bounds = zip(statistics.minimum, statistics.maximum)
      // Halve first: the sum of two large numbers may overflow.
      (offset, scale) = (bounds.map { $0 / 2 + $1 / 2 }, bounds.map { $1 / 2 - $0 / 2 })
    }
    self.kind = kind
    isStored = true
  }

  /// y of x, in double precision: a channel with mean 1e5 and deviation 1e-3 keeps its digits.
  public func normalized(_ value: Double, channel: Int) -> Double {
    (value - offset[channel]) / scale[channel]
  }

  /// x of y.
  public func restored(_ value: Double, channel: Int) -> Double { offset[channel] + scale[channel] * value }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case kind, offset, scale
    case isStored = "stored"
  }

  func contradiction(channels: Int) -> String? {
    guard offset.count == channels, scale.count == channels else {
      return "is not that of \(channels) channels"
    }
    if let channel = scale.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      return "has the scale \(scale[channel]) for channel \(channel), expected a positive number"
    }
    return nil
  }
}
