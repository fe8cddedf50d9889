import Foundation
import Kernels

/// The memory use of this process.
enum ProcessMemory {
  /// Peak resident memory, excluding views of other processes' memory.
  static var peakResidentBytes: Int { peak - SharedMemory.View.residentBytes }

  private static var peak: Int {
    // For this program alone: getrusage includes the process before exec, when it was a copy of its parent.
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    if let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kibibytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
    {
      return kibibytes * 1024
    }
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    // Linux reports KiB.
    return usage.ru_maxrss * 1024
  }
}
