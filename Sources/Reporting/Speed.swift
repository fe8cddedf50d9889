import Foundation

/// A smoothed speed: past units and seconds both decay exponentially over time, and their quotient is the speed. Hence
/// the first values are unbiased, and no initial value is needed.
struct Speed {
  private var units = 0.0
  private var seconds = 0.0
  private var last: (units: Int, seconds: Double)

  /// Seconds after which the weight of a measurement has decayed to 1/e.
  private static let memory = 60.0

  /// Starts measuring at a given number of units and time.
  init(units: Int, seconds: Double) { last = (units, seconds) }

  /// Reports the number of units at a later time.
  mutating func add(units: Int, seconds: Double) {
    let passed = max(0, seconds - last.seconds)
    let keep = exp(-passed / Self.memory)
    self.units = self.units * keep + Double(units - last.units)
    self.seconds = self.seconds * keep + passed
    last = (units, seconds)
  }

  /// nil until a speed is known.
  var unitsPerSecond: Double? { units > 0 && seconds > 0 ? units / seconds : nil }
}
