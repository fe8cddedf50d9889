import Foundation
import Kernels
import Tensors

/// All buckets of a rank that are under way. Two threads let them go on: the one that computes, between operations and
/// while it waits, and one that does nothing else. An operation of a large model takes longer than what the system's
/// buffers hold takes on the wire, and after each stage of a bucket somebody must start the next.
///
/// `@unchecked Sendable`: `lock` guards all that changes, but for `profile`, which the computing thread alone uses.
final class Traffic: @unchecked Sendable {
  private let lock = NSLock()
  private let reductions: TransferQueue
  /// Those that are needed first are waited for.
  private let gatherings: TransferQueue
  private var isThere: [Bool]
  /// What went wrong on the other thread.
  private var failure: (any Error)?
  /// What is told of each bucket's way; nil: nothing is measured.
  var profile: Profile?

  /// Buckets of each way that are under way at once. While one is added up others travel, and some have yet to start on
  /// ranks that are behind; over TCP one message alone does not use both directions of the wire.
  static let lanes = 16

  /// The same on one host, where a message is copied by the processor that waits for it: the one that has arrived is
  /// best added up while it is in the cache.
  static let lanesOnOneHost = 1

  init(bucketCount: Int, lanes: Int) {
    reductions = TransferQueue("reduce-scatter", lanes: lanes)
    gatherings = TransferQueue("all-gather", lanes: lanes, startsAlone: true)
    isThere = [Bool](repeating: true, count: bucketCount)
  }

  /// Adds a bucket to be summed.
  func reduce(_ bucket: Int, _ threads: ThreadPool, _ start: @escaping TransferQueue.Start) throws {
    try lock.withLock { try reductions.add(bucket, threads, start) }
  }

  /// Adds a bucket to be gathered.
  func gather(_ bucket: Int, _ threads: ThreadPool, _ start: @escaping TransferQueue.Start) throws {
    try lock.withLock {
      isThere[bucket] = false
      try gatherings.add(bucket, threads, start)
    }
  }

  var isEmpty: Bool { lock.withLock { reductions.isEmpty && gatherings.isEmpty } }
  var isReduced: Bool { lock.withLock { reductions.isEmpty } }

  /// Whether these buckets are here.
  func isGathered(_ buckets: Range<Int>) -> Bool {
    lock.withLock { gatherings.isEmpty || buckets.allSatisfy { isThere[$0] } }
  }

  /// Lets everything go as far as it can without waiting. For the computing thread.
  ///
  /// - Parameter threads: its own, which add.
  func advance(_ threads: ThreadPool) throws {
    // If not, the other thread is at it.
    guard lock.try() else { return }
    defer { lock.unlock() }
    if let failure { throw failure }
    try advanceAll(threads)
    for queue in [reductions, gatherings] { queue.report(to: profile) }
  }

  /// As `advance`, for the other thread.
  func advanceBeside(_ threads: ThreadPool) {
    lock.withLock {
      guard failure == nil else { return }
      do { try advanceAll(threads) } catch { failure = error }
    }
  }

  private func advanceAll(_ threads: ThreadPool) throws {
    if !reductions.isEmpty { try reductions.advance(threads) { _ in } }
    if !gatherings.isEmpty { try gatherings.advance(threads) { isThere[$0] = true } }
  }
}
