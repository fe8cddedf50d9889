import Foundation
import Synchronization

/// Files that are kept open to be read again, no more than so many at once: a process has a limited number of
/// descriptors, and a dataset any number of shards. The one that was not read for the longest time is closed first.
final class OpenFiles: Sendable {
  /// More than most datasets have shards.
  private static let mostFiles = 256

  private struct State {
    /// By a number of the caller's, with the time of the last use.
    var files: [Int: (file: ReadableFile, used: Int)] = [:]
    var clock = 0
  }

  private let capacity: Int
  private let state = Mutex(State())

  /// - Parameter capacity: nil for a quarter of the descriptors that the process may have.
  init(capacity: Int? = nil) {
    self.capacity = max(1, capacity ?? Self.fairShare)
  }

  /// The file number `key`, opened with `open` if it is not open. It stays open as long as the caller holds it, even if
  /// others take its place meanwhile.
  func file(_ key: Int, open: () throws -> ReadableFile) throws -> ReadableFile {
    let known = state.withLock { state in
      state.clock += 1
      state.files[key]?.used = state.clock
      return state.files[key]?.file
    }
    if let known { return known }
    // Outside of the lock: a file system may take its time. Two threads may both open it; one is let go.
    let opened = try open()
    state.withLock { state in
      if state.files.count >= capacity, let oldest = state.files.min(by: { $0.value.used < $1.value.used }) {
        state.files[oldest.key] = nil
      }
      state.files[key] = (opened, state.clock)
    }
    return opened
  }

  private static var fairShare: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 64 }
    return min(mostFiles, Int(clamping: limit.rlim_cur) / 4)
  }
}
