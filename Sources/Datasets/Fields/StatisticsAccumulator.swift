/// Accumulates the values of one channel in order, practically without rounding: the sums of x - s and (x - s)^2, where
/// s is the first value, are kept as pairs of doubles (T. J. Dekker, "A floating-point technique for extending the
/// available precision", 1971), some 106 bits. The difference between the mean square and the squared mean is therefore
/// accurate to the last digits of a double, however large the mean is relative to the deviation.
package struct StatisticsAccumulator {
  package private(set) var count = 0
  private var shift = 0.0
  private var sum = DoubleDouble()
  private var squares = DoubleDouble()
  package private(set) var minimum = Double.infinity
  package private(set) var maximum = -Double.infinity

  package init() {}

  /// - Parameter value: a finite number.
  package mutating func add(_ value: Double) {
    if count == 0 { shift = value }
    count += 1
    // The difference is rarely exact in double precision, so its rounding error is added as well.
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

  package var mean: Double {
    guard count > 0 else { return 0 }
    // n s + Σd, over n: Σd / n alone may lose digits of the mean if s is large relative to it.
    let n = Double(count)
    var total = DoubleDouble(shift).scaled(by: n)
    total.add(sum.high)
    total.add(sum.low)
    return total.value / n
  }

  /// The population standard deviation.
  package var deviation: Double {
    guard count > 0, minimum < maximum else { return 0 }
    // n Σd² - (Σd)², over n².
    let n = Double(count)
    var variance = squares.scaled(by: n)
    variance.subtractSquare(of: sum)
    return max(0, variance.value).squareRoot() / n
  }
}

/// An unevaluated sum of two doubles, the second at most half a unit in the last place of the first.
struct DoubleDouble {
  private(set) var high = 0.0
  private(set) var low = 0.0

  init(_ value: Double = 0) { high = value }

  var value: Double { high + low }

  /// The rounding error of `difference`, which is a - b (Knuth's TwoSum).
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
    // The exact rounding error of the product.
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
