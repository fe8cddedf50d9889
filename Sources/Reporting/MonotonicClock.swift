/// A clock unaffected by changes to the system's date. Tests provide their own.
public struct MonotonicClock: Sendable {
  /// Seconds since a fixed point in time.
  public let seconds: @Sendable () -> Double

  public init(seconds: @escaping @Sendable () -> Double) { self.seconds = seconds }

  /// The system's clock, starting now.
  public static func system() -> MonotonicClock {
    let start = ContinuousClock.now
    return MonotonicClock { (ContinuousClock.now - start) / .seconds(1) }
  }
}
