import Foundation

/// Whether this process gets on: a process that a file system keeps waiting neither computes nor reads or writes.
struct ProcessProgress {
  private var last: (seconds: Double, processor: Double, bytes: Int)
  private var progressed: Double

  /// What the watch itself uses stays below both.
  private static let processorShare = 0.03
  private static let byteCount = 1 << 16

  init(now: Double) {
    last = (now, Self.processorSeconds, Self.transferredBytes)
    progressed = now
  }

  /// Seconds without progress.
  mutating func idleSeconds(now: Double) -> Double {
    // Over shorter times the processor's clock is too coarse.
    guard now - last.seconds >= 0.2 else { return now - progressed }
    let (processor, bytes) = (Self.processorSeconds, Self.transferredBytes)
    if processor - last.processor > Self.processorShare * (now - last.seconds)
      || bytes - last.bytes > Self.byteCount
    {
      progressed = now
    }
    last = (now, processor, bytes)
    return now - progressed
  }

  /// Forgets what was before `now`.
  mutating func restart(now: Double) { progressed = now }

  private static var processorSeconds: Double { seconds(of: CLOCK_PROCESS_CPUTIME_ID) }

  /// By all reading and writing calls of the process; 0 where the system does not say.
  private static var transferredBytes: Int {
    guard let text = try? String(contentsOfFile: "/proc/self/io", encoding: .utf8) else { return 0 }
    return text.split(separator: "\n").filter { $0.hasPrefix("rchar:") || $0.hasPrefix("wchar:") }
      .compactMap { Int($0.split(separator: " ").last ?? "") }.reduce(0, +)
  }

  /// What a clock of the system says.
  static func seconds(of clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
