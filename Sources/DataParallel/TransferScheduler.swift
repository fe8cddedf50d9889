import Foundation
import Kernels
import Tensors

/// All buckets of a rank that are under way. Two threads let them go on: the one that computes, between operations and
/// while it waits, and one that does nothing else. An operation of a large model takes longer than what the system's
/// buffers hold takes on the wire, and after each stage of a bucket somebody must start the next.
///
/// `@unchecked Sendable`: `lock` guards all that changes, but for `profile`, which the computing thread alone uses.
final class TransferScheduler: @unchecked Sendable {
  /// What becomes of a bucket whose sum is there: the way to gather it.
  typealias Sequel = (_ threads: ThreadPool) -> TransferQueue.Start

  private let lock = NSLock()
  private let reductions: TransferQueue
  /// Those that nobody waits for yet.
  private let early: TransferQueue
  /// Those that are needed first are waited for.
  private let gatherings: TransferQueue
  /// How many sums are under way at most.
  let sumLanes: Int
  private var sequels: [Int: Sequel] = [:]
  private var isThere: [Bool]
  /// What went wrong on the other thread.
  private var failure: (any Error)?
  /// What is told of each bucket's way; nil: nothing is measured.
  var profile: Profile? {
    didSet {
      guard profile !== oldValue else { return }
      lock.withLock {
        for queue in [reductions, early, gatherings] { queue.measure(profile != nil) }
      }
    }
  }

  /// Buckets of each way that are under way at once. While one is added up others travel, some have yet to start on
  /// ranks that are behind, and between two looks of the other thread the wire needs something to carry.
  static let lanes = 16

  /// The same while a thread waits and so looks all the time: then more would only drive each other out of the caches.
  private static let lanesOfWaiting = 4

  /// Of sums the same where a message is copied by the processor that waits for it: the one that has arrived is best
  /// added up while it is in the cache.
  private static let copiedSums = 1

  /// Those that are gathered early are fewer: sums come first. On one host they are best all announced at once: each
  /// rank then fetches them when it needs them, whatever the others compute meanwhile.
  private static let earlyLanes = 2

  /// - Parameters:
  ///   - isOnOneHost: whether all ranks are.
  ///   - copiesMessages: whether they exchange messages there, rather than look at each other's memory.
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
  /// - Parameter sequel: called when its sum is there, by whichever thread finds it; it may use `threads`, and nothing
  ///   of this. nil: the bucket stays as it is.
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

  /// Gathers the buckets that could be gathered early, and have not begun to, in the order `order`: they are needed.
  func gatherEarlyOnes(inOrder order: [Int], _ threads: ThreadPool) throws {
    try lock.withLock {
      // A rank may have begun with others than its partners. All ranks add the rest in the same order, and those that
      // have begun take no room from it: so the first that is not through everywhere always gets on.
      let waiting = Dictionary(uniqueKeysWithValues: early.takeWaiting().map { ($0.bucket, $0.start) })
      for bucket in order {
        if let start = waiting[bucket] { try gatherings.add(bucket, threads, start) }
      }
    }
  }

  var isEmpty: Bool { lock.withLock { reductions.isEmpty && early.isEmpty && gatherings.isEmpty } }
  var isReduced: Bool { lock.withLock { reductions.isEmpty } }

  /// Whether these buckets are here.
  func isGathered(_ buckets: Range<Int>) -> Bool {
    lock.withLock { (early.isEmpty && gatherings.isEmpty) || buckets.allSatisfy { isThere[$0] } }
  }

  /// Lets everything go as far as it can without waiting. For the computing thread.
  ///
  /// - Parameters:
  ///   - threads: its own, which add.
  ///   - isWaiting: whether it does nothing else.
  func advance(_ threads: ThreadPool, isWaiting: Bool = false) throws {
    // If not, the other thread is at it.
    guard lock.try() else { return }
    defer { lock.unlock() }
    if let failure { throw failure }
    try advanceAll(threads, isWaiting ? Self.lanesOfWaiting : Self.lanes)
    guard let profile else { return }
    for queue in [reductions, early, gatherings] { queue.report(to: profile) }
  }

  /// As `advance`, for the other thread.
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
