/// Seconds that pass, whatever the system's date does. Tests bring their own.
public struct MonotonicClock: Sendable {
  /// Seconds since some fixed moment.
  public let seconds: @Sendable () -> Double

  public init(seconds: @escaping @Sendable () -> Double) { self.seconds = seconds }

  /// The system's, from now on.
  public static func system() -> MonotonicClock {
    let start = ContinuousClock.now
    return MonotonicClock { (ContinuousClock.now - start) / .seconds(1) }
  }
}
