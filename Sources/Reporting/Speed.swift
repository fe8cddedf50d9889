import Foundation

/// A speed that follows changes without jumping: units and seconds of the past both lose weight as time goes, and
/// their quotient is the speed. So the first values are not too small, and no starting value is needed.
struct Speed {
  private var units = 0.0
  private var seconds = 0.0
  private var last: (units: Int, seconds: Double)

  /// Seconds after which a measurement has 1/e of its weight.
  private static let memory = 60.0

  /// Measures from a number of units at a moment.
  init(units: Int, seconds: Double) { last = (units, seconds) }

  /// Reports the number of units at a later moment.
  mutating func add(units: Int, seconds: Double) {
    let passed = max(0, seconds - last.seconds)
    let keep = exp(-passed / Self.memory)
    self.units = self.units * keep + Double(units - last.units)
    self.seconds = self.seconds * keep + passed
    last = (units, seconds)
  }

  /// nil before anything is known.
  var unitsPerSecond: Double? { units > 0 && seconds > 0 ? units / seconds : nil }
}
