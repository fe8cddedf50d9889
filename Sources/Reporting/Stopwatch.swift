import Dispatch

/// Measures time independently of changes to the system clock.
package struct Stopwatch {
  private let start = DispatchTime.now().uptimeNanoseconds

  package init() {}

  /// Seconds since initialisation.
  package var seconds: Double { Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9 }
}
