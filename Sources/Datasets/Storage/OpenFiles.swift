import Foundation
import Synchronization

/// A cache of open files, limited in number: a process has a limited number of descriptors, and a dataset any number of
/// shards. The least recently used file is closed first.
final class OpenFiles: Sendable {
  /// More than the number of shards of most datasets.
  private static let mostFiles = 256

  private struct State {
    /// By a key chosen by the caller, with the time of the last use.
    var files: [Int: (file: ReadableFile, used: Int)] = [:]
    var clock = 0
  }

  private let capacity: Int
  private let state = Mutex(State())

  /// - Parameter capacity: nil for a quarter of the descriptors that the process may still open.
  init(capacity: Int? = nil) {
    self.capacity = max(1, capacity ?? Self.fairShare)
  }

  /// The file with the key `key`, opened with `open` if it is not cached. It stays open while the caller holds it, even
  /// after eviction from the cache.
  func file(_ key: Int, open: () throws -> ReadableFile) throws -> ReadableFile {
    let known = state.withLock { state in
      state.clock += 1
      state.files[key]?.used = state.clock
      return state.files[key]?.file
    }
    if let known { return known }
    // Outside the lock, as opening may be slow. If two threads open the same file, one copy is dropped.
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
    // The process may have been started with many open files, or hold many itself.
    let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    return min(mostFiles, (Int(clamping: limit.rlim_cur) - open) / 4)
  }
}
