import Kernels
import MPI
import Tensors

/// Sums gradients over the ranks so that each rank holds the sum of its parts (reduce-scatter), and distributes the
/// results computed from those sums to every rank (all-gather). Both work bucket by bucket and overlap with
/// computation.
///
/// Bandwidth-optimal: a rank sends and receives (W - 1) / W of the memory in each direction.
///
/// To be called from one thread only; between hosts, a separate thread calls MPI as well.
public final class GradientExchange {
  public let plan: BucketPlan
  private let communicator: Communicator
  private let threads: ThreadPool
  private let scheduler: TransferScheduler
  private let progress: ProgressThread?
  /// One per reduction lane.
  private let messageBuffers: [MessageBuffers]
  private let localPeers: LocalPeers
  /// This rank's stages for each bucket.
  private let stages: [[BucketPlan.Stage]]
  /// The order in which buckets are gathered.
  private var gatheringOrder: [Int]
  /// Applied to a bucket as soon as its sum is complete, so that it can be gathered early.
  private var transformation: Transformation?

  /// Collective.
  ///
  /// - Parameter memories: the buffers that ranks of the same host read in place, if they can be shared; every rank
  ///   passes the same number of them, in the same order. Everything else is sent in messages, as are compressed
  ///   gradients.
  /// - Throws: `MPIError`.
  public init(
    communicator: Communicator, plan: BucketPlan, threads: ThreadPool,
    sharing memories: [ParameterBuffer] = [],
    compression: GradientCompression = .none
  ) throws {
    precondition(
      plan.worldSize == communicator.size,
      "a plan for \(plan.worldSize) ranks, there are \(communicator.size)")
    // A separate communicator, so that these messages cannot be matched with any others between the ranks.
    let own = communicator.size > 1 ? try communicator.duplicate() : communicator
    self.communicator = own
    self.plan = plan
    self.threads = threads
    let stages = plan.buckets.indices.map { plan.stages(of: $0, rank: communicator.rank) }
    self.stages = stages
    let hosts = try own.allGather(own.hostName)
    let localPeers = try LocalPeers(
      sharing: compression == .none ? memories : [],
      with: stages.joined().lazy.flatMap { $0.partners.lazy.map(\.rank) }, hosts: hosts, on: own)
    self.localPeers = localPeers
    let isOnOneHost = Set(hosts).count == 1
    let scheduler = TransferScheduler(
      bucketCount: plan.buckets.count, isOnOneHost: isOnOneHost,
      copiesMessages: isOnOneHost && localPeers.isEmpty)
    self.scheduler = scheduler
    messageBuffers =
      communicator.size == 1
      ? []
      : (0..<min(scheduler.sumLanes, plan.buckets.count)).map { _ in
        MessageBuffers(for: stages.joined(), compression, communicator: own)
      }
    gatheringOrder = Array(plan.buckets.indices)
    // On one host, messages are copied by the cores that compute, so a progress thread would gain nothing.
    progress = isOnOneHost ? nil : ProgressThread(scheduler)
  }

  /// Whether ranks on the same host read each other's memory.
  package var readsInPlace: Bool { !localPeers.isEmpty }

  /// The maximum number of buckets in flight between hosts.
  public static let bucketsAtOnce = TransferScheduler.lanes

  deinit { progress?.end() }

  /// Receives the timing of each bucket's transfers; nil disables profiling.
  public var profile: Profile? {
    get { scheduler.profile }
    set { scheduler.profile = newValue }
  }

  /// Advances transfers in flight as far as possible without blocking; called between operations.
  ///
  /// - Throws: `MPIError`.
  public func advance() throws {
    guard communicator.size > 1 else { return }
    try scheduler.advance(threads)
    // Only now: waking a thread costs more than a short message that is waited for immediately.
    progress?.set(isWanted: !scheduler.isEmpty)
  }

  // MARK: Sums

  /// Starts summing a bucket of `gradients`; its memory must not be accessed until `finish()` returns. Collective: all
  /// ranks start the same buckets in the same order.
  ///
  /// - Throws: `MPIError`.
  public func start(_ bucket: Int, of gradients: ParameterBuffer) throws {
    precondition(gradients.count == plan.count, "\(gradients.count) gradients, the plan has \(plan.count)")
    guard communicator.size > 1 else { return }
    let sequel = transformation.map { transform in
      { [gathering = gathering(of: bucket, in: gradients)] threads in
        transform(bucket, threads)
        return gathering
      } as TransferScheduler.Sequel
    }
    try scheduler.reduce(bucket, threads, then: sequel) {
      [messageBuffers, stages, localPeers] lane, threads in
      try BucketReduction(
        stages[bucket], of: gradients, among: localPeers, over: messageBuffers[lane], tag: bucket, threads)
    }
  }

  /// Waits until this rank's parts of all started buckets hold their sums.
  ///
  /// - Throws: `MPIError`.
  public func finish() throws { try wait { scheduler.isReduced } }

  // MARK: Gathering

  /// Replaces this rank's part of a bucket's sum. May be called from any thread, but only from one at a time, with that
  /// thread's pool.
  public typealias Transformation = (_ bucket: Int, _ threads: ThreadPool) -> Void

  /// From now on, transforms each sum as soon as it is complete and gathers the result into the same memory while no
  /// reduction needs the network. `gatherEarlyOnes()` announces that the results are needed. Requires more than one
  /// rank. Collective.
  public func gatherEarly(_ transformation: @escaping Transformation) {
    self.transformation = transformation
  }

  /// Gathers the buckets that have not been gathered early. Call it after `finish()`. Collective.
  ///
  /// - Throws: `MPIError`.
  public func gatherEarlyOnes() throws {
    guard communicator.size > 1 else { return }
    try scheduler.gatherEarlyOnes(inOrder: gatheringOrder, threads)
  }

  /// From now on, gathers buckets in the order in which these ranges need them, followed by the rest. Collective.
  public func gather(inOrderOf ranges: some Sequence<Range<Int>>) {
    var isListed = plan.buckets.map { _ in false }
    var order: [Int] = []
    for bucket in Array(ranges.map(buckets).joined()) + plan.buckets.indices where !isListed[bucket] {
      isListed[bucket] = true
      order.append(bucket)
    }
    gatheringOrder = order
  }

  /// Starts distributing each rank's parts of `memory` to all others, after which it is the same on all ranks. A
  /// bucket's memory must not be accessed until that bucket has been gathered. Collective.
  ///
  /// - Parameter prepare: called for each bucket before it is sent, in the order in which they are needed.
  /// - Throws: `MPIError`.
  public func startGathering(_ memory: ParameterBuffer, preparing prepare: (_ bucket: Int) -> Void = { _ in })
    throws
  {
    precondition(memory.count == plan.count, "\(memory.count) floats, the plan has \(plan.count)")
    try finishGathering()
    for bucket in gatheringOrder {
      prepare(bucket)
      guard communicator.size > 1 else { continue }
      try scheduler.gather(bucket, threads, gathering(of: bucket, in: memory))
      try scheduler.advance(threads)
    }
  }

  /// Returns the closure that starts the all-gather of a bucket.
  private func gathering(of bucket: Int, in memory: ParameterBuffer) -> TransferQueue.Start {
    // Separate tags: a rank may still be gathering a bucket that another rank has started to sum.
    { [communicator, stages, localPeers, tag = plan.buckets.count + bucket] _, _ in
      try BucketGathering(stages[bucket], of: memory, among: localPeers, over: communicator, tag: tag)
    }
  }

  /// Whether all of `range` has been gathered.
  public func isGathered(_ range: Range<Int>) -> Bool { scheduler.isGathered(buckets(of: range)) }

  /// Waits until all of `range` has been gathered.
  ///
  /// - Throws: `MPIError`.
  public func waitUntilGathered(_ range: Range<Int>) throws {
    let buckets = buckets(of: range)
    try wait { scheduler.isGathered(buckets) }
  }

  /// Waits until everything has been gathered.
  ///
  /// - Throws: `MPIError`.
  public func finishGathering() throws { try waitUntilGathered(0..<plan.count) }

  /// Distributes each rank's parts to all others and waits for completion. Collective.
  ///
  /// - Throws: `MPIError`.
  public func gather(_ memory: ParameterBuffer) throws {
    try startGathering(memory)
    try finishGathering()
  }

  private func wait(until condition: () -> Bool) throws {
    if !condition() {
      // This thread now drives the transfers itself.
      progress?.set(isWanted: false)
      while !condition() { try scheduler.advance(threads, isWaiting: true) }
    }
    // Also rethrows a failure of the progress thread. `advance()` wakes that thread again if this one computes before
    // it waits for the remaining transfers.
    try scheduler.advance(threads)
  }

  private func buckets(of range: Range<Int>) -> Range<Int> {
    guard let size = plan.buckets.first?.count, !range.isEmpty else { return 0..<0 }
    return range.lowerBound / size..<(range.upperBound - 1) / size + 1
  }
}
