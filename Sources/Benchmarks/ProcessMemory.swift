import Foundation
import Kernels

/// What this process takes.
enum ProcessMemory {
  /// The most memory that it has had. What it looks at of other processes' counts there.
  static var peakResidentBytes: Int { peak - SharedMemory.View.residentBytes }

  private static var peak: Int {
    // Of this program alone: getrusage counts what the process was before, too, when it was its parent's copy.
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    if let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kibibytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
    {
      return kibibytes * 1024
    }
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    // Linux counts in KiB.
    return usage.ru_maxrss * 1024
  }
}
