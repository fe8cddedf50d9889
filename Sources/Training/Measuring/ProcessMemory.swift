import Foundation

/// What this process takes.
enum ProcessMemory {
  /// The most memory that it has had.
  static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    // Linux counts in KiB.
    return usage.ru_maxrss * 1024
  }
}
