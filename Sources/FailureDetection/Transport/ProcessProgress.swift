import Foundation

/// Measures whether this process makes progress. A process blocked by a file system neither computes nor does I/O.
struct ProcessProgress {
  private struct Counters {
    var seconds: Double
    var processor: Double
    var bytes: Int
  }

  private var last: Counters
  /// CPU time plus time spent waiting for a CPU, over all threads, when they were last queried.
  private var runnable: Double?
  private var progressed: Double

  /// The detector's own usage stays below these.
  private static let processorShare = 0.03
  private static let byteCount = 1 << 16

  init(now: Double) {
    last = Counters(seconds: now, processor: Self.processorSeconds, bytes: Self.transferredBytes)
    progressed = now
  }

  /// Seconds without progress.
  mutating func idleSeconds(now: Double) -> Double {
    // Over shorter intervals, the CPU clock is too coarse.
    guard now - last.seconds >= 0.2 else { return now - progressed }
    let next = Counters(seconds: now, processor: Self.processorSeconds, bytes: Self.transferredBytes)
    let least = Self.processorShare * (now - last.seconds)
    if next.processor - last.processor > least || next.bytes - last.bytes > Self.byteCount {
      progressed = now
      runnable = nil
    } else {
      // When many ranks share a CPU, a rank that computes may still get little of it.
      let seconds = Self.runnableSeconds
      if let runnable, seconds - runnable > least { progressed = now }
      runnable = seconds
    }
    last = next
    return now - progressed
  }

  private static var processorSeconds: Double { seconds(of: CLOCK_PROCESS_CPUTIME_ID) }

  /// Bytes transferred by all read and write calls of the process; 0 if the system does not report them.
  private static var transferredBytes: Int {
    text("/proc/self/io").split(separator: "\n").filter { $0.hasPrefix("rchar:") || $0.hasPrefix("wchar:") }
      .compactMap { Int($0.split(separator: " ").last ?? "") }.reduce(0, +)
  }

  /// The total time for which threads other than the calling one have run or waited for a CPU; 0 if the system does not
  /// report it.
  private static var runnableSeconds: Double {
    let files = FileManager.default
    let own = try? files.destinationOfSymbolicLink(atPath: "/proc/thread-self").split(separator: "/").last
    let threads = (try? files.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return threads.filter { $0 != own ?? "" }.reduce(0) { sum, thread in
      let parts = text("/proc/self/task/\(thread)/schedstat").split(separator: " ").compactMap { Double($0) }
      return sum + parts.prefix(2).reduce(0, +) * 1e-9
    }
  }

  /// The content of a small system file.
  private static func text(_ path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    return withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { buffer in
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
    }
  }

  /// The current time of a system clock.
  static func seconds(of clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
