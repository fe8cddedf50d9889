import Dispatch

/// Measures time that no clock setting disturbs.
package struct Stopwatch {
  private let start = DispatchTime.now().uptimeNanoseconds

  package init() {}

  /// Since it was made.
  package var seconds: Double { Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9 }
}
