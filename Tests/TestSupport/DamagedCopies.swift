import Foundation

/// Reads a thousand damaged copies of a file, in a process that a test has started for it: a crash, a file that takes more
/// than 5 s of processor time, or memory beyond what a file of that size may need ends it, and the test fails.
public struct DamagedCopies {
  /// What must not be.
  public struct Failure: Error, CustomStringConvertible {
    public let description: String
    public init(description: String) { self.description = description }
  }

  /// Memory that all of it may take, beyond what the process has at the start: far more than small files need, far less
  /// than a size that was made up.
  private static let memory = 512 << 20

  private let original: [UInt8]
  private let header: Int
  private let seed: UInt64

  /// - Parameter header: how many bytes at the beginning matter most: every other damage falls there.
  public init(of original: [UInt8], header: Int, seed: UInt64 = 2026) {
    self.original = original
    self.header = header
    self.seed = seed
  }

  /// Calls `read` with each copy; what it throws must be a refusal.
  ///
  /// - Parameters:
  ///   - least: how many copies must be refused at least, and be read at least: the damage must reach both.
  ///   - isRefusal: whether an error is one that users understand.
  public func read(
    count: Int = 1000, refused least: Int, read leastRead: Int = 0, isRefusal: (any Error) -> Bool,
    _ read: ([UInt8]) throws -> Void
  ) throws {
    var refusedCount = 0
    try Self.confined(count: count, seed: seed) { generator in
      do {
        try read(damaged(original, header: header, using: &generator))
      } catch {
        guard isRefusal(error) else { throw error }
        refusedCount += 1
      }
    }
    guard refusedCount >= least, count - refusedCount >= leastRead else {
      throw Failure(description: "\(refusedCount) of \(count) were refused, with seed \(seed)")
    }
  }

  /// Calls `body` for each of `count` copies that it damages in a way of its own, under the same limits.
  public static func confined(
    count: Int = 1000, seed: UInt64 = 2026, _ body: (inout SeededGenerator) throws -> Void
  ) throws {
    try confineMemory()
    var generator = SeededGenerator(seed: seed)
    for copy in 0..<count {
      restartTimer()
      do {
        try body(&generator)
      } catch {
        throw Failure(description: "copy \(copy) with seed \(seed): \(error)")
      }
    }
  }

  private static func confineMemory() throws {
    let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ").first
    let present = (pages.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    limit.rlim_cur = rlim_t(present + memory)
    guard setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else {
      throw Failure(description: "no limit to memory: \(String(cString: strerror(errno)))")
    }
  }

  /// SIGPROF ends the process unless this is called again in time.
  private static func restartTimer() {
    var timer = itimerval(it_interval: timeval(), it_value: timeval(tv_sec: 5, tv_usec: 0))
    setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &timer, nil)
  }
}
