import Foundation
import Kernels

/// What this process takes.
enum ProcessMemory {
  /// The most memory that it has had. What it looks at of other processes' counts there.
  static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    // Linux counts in KiB.
    return usage.ru_maxrss * 1024 - SharedMemory.View.residentBytes
  }
}
