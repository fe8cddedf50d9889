import Foundation
import Kernels
import Tensors

/// Schedules all bucket transfers of a rank. Two threads advance them: the computing thread, between operations and
/// while it waits, and a dedicated progress thread. The latter is needed because an operation of a large model takes
/// longer than sending the contents of the system's socket buffers, and each stage of a bucket must be started
/// explicitly.
///
/// `@unchecked Sendable`: `lock` guards all mutable state except `profile`, which only the computing thread uses.
final class TransferScheduler: @unchecked Sendable {
  /// Called with a completed sum; returns the start of its all-gather.
  typealias Sequel = (_ threads: ThreadPool) -> TransferQueue.Start

  private let lock = NSLock()
  private let reductions: TransferQueue
  /// All-gathers that no thread is waiting for yet.
  private let early: TransferQueue
  /// All-gathers that are waited for, in the order in which they are needed.
  private let gatherings: TransferQueue
  /// The maximum number of reductions in flight.
  let sumLanes: Int
  private var sequels: [Int: Sequel] = [:]
  private var isThere: [Bool]
  /// The error thrown on the progress thread.
  private var failure: (any Error)?
  /// Receives the timing of each transfer; nil disables profiling.
  var profile: Profile? {
    didSet {
      guard profile !== oldValue else { return }
      lock.withLock {
        for queue in [reductions, early, gatherings] { queue.measure(profile != nil) }
      }
    }
  }

  /// Buckets in flight per direction. While one is being summed, others are in transit and some have yet to start on
  /// ranks that lag behind; and the network must stay busy between two polls of the progress thread.
  static let lanes = 16

  /// The same while a thread waits and hence polls continuously: more would only evict each other from the caches.
  private static let lanesOfWaiting = 4

  /// Reductions in flight where the waiting core copies the messages itself: a message is best added while it is still
  /// in the cache.
  private static let copiedSums = 1

  /// Early all-gathers in flight between hosts: few, since reductions have priority. On one host all are best announced
  /// at once, so that each rank can read them when it needs them, regardless of what the others are computing.
  private static let earlyLanes = 2

  /// - Parameters:
  ///   - isOnOneHost: whether all ranks run on the same host.
  ///   - copiesMessages: whether they exchange messages there rather than read each other's memory.
  init(bucketCount: Int, isOnOneHost: Bool, copiesMessages: Bool) {
    let earlyLanes = isOnOneHost ? Self.lanes : Self.earlyLanes
    sumLanes = copiesMessages ? Self.copiedSums : Self.lanes
    reductions = TransferQueue("reduce-scatter", lanes: sumLanes, firstLane: 1)
    early = TransferQueue("all-gather", lanes: earlyLanes, firstLane: 1 + sumLanes)
    gatherings = TransferQueue(
      "all-gather", lanes: Self.lanes, firstLane: 1 + sumLanes + earlyLanes, startsAlone: !isOnOneHost)
    isThere = [Bool](repeating: true, count: bucketCount)
  }

  /// Adds a bucket to be summed.
  ///
  /// - Parameter sequel: called once the sum is complete, on the thread that detects it; it may use `threads`, but must
  ///   not call this scheduler. nil leaves the sum as it is.
  func reduce(
    _ bucket: Int, _ threads: ThreadPool, then sequel: Sequel?, _ start: @escaping TransferQueue.Start
  ) throws {
    try lock.withLock {
      sequels[bucket] = sequel
      try reductions.add(bucket, threads, start)
    }
  }

  /// Adds a bucket to be gathered.
  func gather(_ bucket: Int, _ threads: ThreadPool, _ start: @escaping TransferQueue.Start) throws {
    try lock.withLock {
      isThere[bucket] = false
      try gatherings.add(bucket, threads, start)
    }
  }

  /// Gathers the buckets queued for early gathering that have not started, in the given order, because they are now
  /// needed.
  func gatherEarlyOnes(inOrder order: [Int], _ threads: ThreadPool) throws {
    try lock.withLock {
      // Ranks may have started different buckets early. All ranks add the remaining ones in the same order, and those
      // already started do not take up their lanes, so the first bucket that is not complete everywhere always makes
      // progress.
      let waiting = Dictionary(uniqueKeysWithValues: early.takeWaiting().map { ($0.bucket, $0.start) })
      for bucket in order {
        if let start = waiting[bucket] { try gatherings.add(bucket, threads, start) }
      }
    }
  }

  var isEmpty: Bool { lock.withLock { reductions.isEmpty && early.isEmpty && gatherings.isEmpty } }
  var isReduced: Bool { lock.withLock { reductions.isEmpty } }

  /// Whether these buckets have been gathered.
  func isGathered(_ buckets: Range<Int>) -> Bool {
    lock.withLock { (early.isEmpty && gatherings.isEmpty) || buckets.allSatisfy { isThere[$0] } }
  }

  /// Advances all transfers as far as possible without blocking. To be called from the computing thread.
  ///
  /// - Parameters:
  ///   - threads: the computing thread's pool.
  ///   - isWaiting: whether the thread is blocked on a transfer.
  func advance(_ threads: ThreadPool, isWaiting: Bool = false) throws {
    // If the lock is taken, the progress thread is already advancing them.
    guard lock.try() else { return }
    defer { lock.unlock() }
    if let failure { throw failure }
    try advanceAll(threads, isWaiting ? Self.lanesOfWaiting : Self.lanes)
    guard let profile else { return }
    for queue in [reductions, early, gatherings] { queue.report(to: profile) }
  }

  /// Like `advance`, for the progress thread.
  func advanceBeside(_ threads: ThreadPool) {
    lock.withLock {
      guard failure == nil else { return }
      do { try advanceAll(threads, Self.lanes) } catch { failure = error }
    }
  }

  private func advanceAll(_ threads: ThreadPool, _ lanes: Int) throws {
    if !reductions.isEmpty {
      try reductions.advance(threads, lanes: lanes) { bucket in
        guard let sequel = sequels.removeValue(forKey: bucket) else { return }
        isThere[bucket] = false
        try early.add(bucket, threads, sequel(threads))
      }
    }
    if !early.isEmpty { try early.advance(threads, lanes: lanes) { isThere[$0] = true } }
    if !gatherings.isEmpty { try gatherings.advance(threads, lanes: lanes) { isThere[$0] = true } }
  }
}
