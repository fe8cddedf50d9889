/// What the values of each channel are over all samples, missing ones left out.
public struct ChannelStatistics: Codable, Sendable, Equatable {
  /// How many values each channel has.
  public var count: [Int]
  public var minimum: [Double]
  public var maximum: [Double]
  public var mean: [Double]
  /// The standard deviation of the population: the root of the mean square distance from the mean.
  public var deviation: [Double]

  enum CodingKeys: String, CodingKey, CaseIterable {
    case count, minimum, maximum, mean, deviation
  }

  func isComplete(for channels: Int) -> Bool {
    count.count == channels && [minimum, maximum, mean, deviation].allSatisfy { $0.count == channels }
  }
}

/// An affine map for each channel, which brings values of any units to about [-1, 1]: y = (x - offset) / scale.
public struct Normalization: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable, CaseIterable {
    /// Mean 0, standard deviation 1.
    case standard
    /// From -1, the least value, to 1, the greatest.
    case minMax = "min-max"
  }

  public var kind: Kind
  /// For each channel, in the source's units.
  public var offset: [Double]
  /// For each channel, positive.
  public var scale: [Double]
  /// Whether the shards hold y. Otherwise they hold x, and the loader gives y.
  public var isStored: Bool

  public init(kind: Kind, offset: [Double], scale: [Double], isStored: Bool) {
    self.kind = kind
    self.offset = offset
    self.scale = scale
    self.isStored = isStored
  }

  /// The map that brings values of these statistics to where `kind` says.
  init(_ kind: Kind, _ statistics: ChannelStatistics) {
    switch kind {
    case .standard: (offset, scale) = (statistics.mean, statistics.deviation)
    case .minMax:
      let bounds = zip(statistics.minimum, statistics.maximum)
      // Halves first: the sum of two large numbers may be infinite.
      (offset, scale) = (bounds.map { $0 / 2 + $1 / 2 }, bounds.map { $1 / 2 - $0 / 2 })
    }
    self.kind = kind
    isStored = true
  }

  /// y of x, in double precision: a channel of mean 1e5 and deviation 1e-3 keeps its digits.
  public func normalized(_ value: Double, channel: Int) -> Double { (value - offset[channel]) / scale[channel] }

  /// x of y.
  public func restored(_ value: Double, channel: Int) -> Double { offset[channel] + scale[channel] * value }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case kind, offset, scale
    case isStored = "stored"
  }

  func contradiction(channels: Int) -> String? {
    guard offset.count == channels, scale.count == channels else { return "is not that of \(channels) channels" }
    if let channel = scale.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      return "has the scale \(scale[channel]) for channel \(channel), expected a positive number"
    }
    return nil
  }
}

/// Sums the values of one channel, one by one in their order, without loss: the sums of x - s and (x - s)^2, where s is
/// the first value, are kept as pairs of doubles (T. J. Dekker, "A floating-point technique for extending the available
/// precision", 1971), some 106 bits, so the difference between the mean square and the squared mean is exact to the last
/// digits of a double, however large the mean is beside the deviation.
struct StatisticsAccumulator {
  private(set) var count = 0
  private var shift = 0.0
  private var sum = DoubleDouble()
  private var squares = DoubleDouble()
  private(set) var minimum = Double.infinity
  private(set) var maximum = -Double.infinity

  /// - Parameter value: a finite number.
  mutating func add(_ value: Double) {
    if count == 0 { shift = value }
    count += 1
    // The distance itself is rarely a double, so what rounding takes from it is added as well.
    let distance = value - shift
    let error = DoubleDouble.differenceError(value, shift, distance)
    sum.add(distance)
    squares.addSquare(distance)
    if error != 0 {
      sum.add(error)
      squares.add(2 * distance * error)
    }
    minimum = min(minimum, value)
    maximum = max(maximum, value)
  }

  var mean: Double {
    guard count > 0 else { return 0 }
    return shift + sum.value / Double(count)
  }

  /// Of the population.
  var deviation: Double {
    guard count > 0, minimum < maximum else { return 0 }
    // n Σd² - (Σd)², over n².
    let n = Double(count)
    var variance = squares.scaled(by: n)
    variance.subtractSquare(of: sum)
    return max(0, variance.value).squareRoot() / n
  }
}

/// A number as the sum of two doubles, the second no more than half a unit in the last place of the first.
struct DoubleDouble {
  private(set) var high = 0.0
  private(set) var low = 0.0

  var value: Double { high + low }

  /// What rounding took from `difference`, which is a - b (Knuth's TwoSum).
  static func differenceError(_ a: Double, _ b: Double, _ difference: Double) -> Double {
    let other = difference - a
    return (a - (difference - other)) - (b + other)
  }

  mutating func add(_ term: Double) {
    let sum = high + term
    let other = sum - high
    let error = (high - (sum - other)) + (term - other)
    renormalize(sum, low + error)
  }

  mutating func addSquare(_ factor: Double) {
    let square = factor * factor
    add(square)
    // What rounding took from the product, exactly.
    add((-square).addingProduct(factor, factor))
  }

  func scaled(by factor: Double) -> DoubleDouble {
    let product = high * factor
    var result = DoubleDouble()
    result.add(product)
    result.add((-product).addingProduct(high, factor))
    result.add(low * factor)
    return result
  }

  mutating func subtractSquare(of other: DoubleDouble) {
    let square = other.high * other.high
    add(-square)
    add(square.addingProduct(-other.high, other.high))
    add(-2 * other.high * other.low)
  }

  private mutating func renormalize(_ a: Double, _ b: Double) {
    high = a + b
    low = b - (high - a)
  }
}
