import Dispatch

/// Measures time that no clock setting disturbs.
struct Stopwatch {
  private let start = DispatchTime.now().uptimeNanoseconds

  /// Since it was made.
  var seconds: Double { Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9 }
}
