import Kernels
import MPI
import Tensors

/// Sums gradients over the ranks such that each rank has the sum of its parts (reduce-scatter), bucket by bucket and
/// while other work goes on; and gives every rank all parts of what was made of them (all-gather), while other work
/// goes on too.
///
/// Bandwidth-optimal: a rank sends and receives (W - 1) / W of the memory in either direction.
///
/// For one thread; between hosts it uses MPI on a thread of its own as well.
public final class GradientExchange {
  public let plan: BucketPlan
  private let communicator: Communicator
  private let threads: ThreadPool
  private let scheduler: TransferScheduler
  private let progress: ProgressThread?
  /// One for each lane of sums.
  private let messageBuffers: [MessageBuffers]
  private let localPeers: LocalPeers
  /// Of each bucket, this rank's.
  private let stages: [[BucketPlan.Stage]]
  /// The order in which buckets are gathered.
  private var gatheringOrder: [Int]
  /// What is made of a bucket's sum at once, to be gathered early.
  private var transformation: Transformation?

  /// Collective.
  ///
  /// - Parameter memories: what ranks of one host read where it lies, if it can be shared; every rank names as many, in
  ///   the same order. All else travels in messages, as do compressed gradients.
  /// - Throws: `MPIError`.
  public init(
    communicator: Communicator, plan: BucketPlan, threads: ThreadPool,
    sharing memories: [ParameterBuffer] = [],
    compression: GradientCompression = .none
  ) throws {
    precondition(
      plan.worldSize == communicator.size,
      "a plan for \(plan.worldSize) ranks, there are \(communicator.size)")
    // Whatever else the ranks say to each other does not meet what is on its way here.
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
    // On one host messages are copied by the processors that compute: nothing moves meanwhile.
    progress = isOnOneHost ? nil : ProgressThread(scheduler)
  }

  /// Whether ranks of one host look at each other's memory.
  package var readsInPlace: Bool { !localPeers.isEmpty }

  /// How many buckets are under way at most, between hosts.
  public static let bucketsAtOnce = TransferScheduler.lanes

  deinit { progress?.end() }

  /// What is told of each bucket's way between the ranks; nil: nothing is measured.
  public var profile: Profile? {
    get { scheduler.profile }
    set { scheduler.profile = newValue }
  }

  /// Lets what is under way go as far as it can without waiting: for between two operations.
  ///
  /// - Throws: `MPIError`.
  public func advance() throws {
    guard communicator.size > 1 else { return }
    try scheduler.advance(threads)
    // Not before: to wake a thread costs more than a short message that is waited for at once.
    progress?.set(isWanted: !scheduler.isEmpty)
  }

  // MARK: Sums

  /// Starts to sum a bucket of `gradients`, whose memory in it must be left alone until `finish()`. Collective: all
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

  /// Waits until this rank's parts of all buckets that were started hold their sums.
  ///
  /// - Throws: `MPIError`.
  public func finish() throws { try wait { scheduler.isReduced } }

  // MARK: What was made of them

  /// What puts something else in the place of this rank's part of a bucket's sum. Any thread calls it, one at a time,
  /// with threads of its own.
  public typealias Transformation = (_ bucket: Int, _ threads: ThreadPool) -> Void

  /// From now on sums are transformed as soon as they are there, and what comes of it is gathered, into the same memory,
  /// while no sums need the wire. `gatherEarlyOnes()` says when it is needed. For several ranks. Collective.
  public func gatherEarly(_ transformation: @escaping Transformation) {
    self.transformation = transformation
  }

  /// Gathers what has not been gathered early. For after `finish()`. Collective.
  ///
  /// - Throws: `MPIError`.
  public func gatherEarlyOnes() throws {
    guard communicator.size > 1 else { return }
    try scheduler.gatherEarlyOnes(inOrder: gatheringOrder, threads)
  }

  /// Gathers buckets from now on in the order in which these ranges need them, then the rest. Collective.
  public func gather(inOrderOf ranges: some Sequence<Range<Int>>) {
    var isListed = plan.buckets.map { _ in false }
    var order: [Int] = []
    for bucket in Array(ranges.map(buckets).joined()) + plan.buckets.indices where !isListed[bucket] {
      isListed[bucket] = true
      order.append(bucket)
    }
    gatheringOrder = order
  }

  /// Starts to give every rank the parts of `memory` of all others: afterwards it is the same on all. What lies in a
  /// bucket must be left alone until that is there. Collective.
  ///
  /// - Parameter prepare: called for each bucket before it is sent, the first to be needed first.
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

  /// What gives every rank the parts of a bucket.
  private func gathering(of bucket: Int, in memory: ParameterBuffer) -> TransferQueue.Start {
    // Tags of their own: a rank may still gather a bucket that another one has begun to sum.
    { [communicator, stages, localPeers, tag = plan.buckets.count + bucket] _, _ in
      try BucketGathering(stages[bucket], of: memory, among: localPeers, over: communicator, tag: tag)
    }
  }

  /// Whether all of `range` is there.
  public func isGathered(_ range: Range<Int>) -> Bool { scheduler.isGathered(buckets(of: range)) }

  /// Waits until all of `range` is there.
  ///
  /// - Throws: `MPIError`.
  public func waitUntilGathered(_ range: Range<Int>) throws {
    let buckets = buckets(of: range)
    try wait { scheduler.isGathered(buckets) }
  }

  /// Waits until everything is there.
  ///
  /// - Throws: `MPIError`.
  public func finishGathering() throws { try waitUntilGathered(0..<plan.count) }

  /// Gives every rank the parts of all others. Collective.
  ///
  /// - Throws: `MPIError`.
  public func gather(_ memory: ParameterBuffer) throws {
    try startGathering(memory)
    try finishGathering()
  }

  private func wait(until condition: () -> Bool) throws {
    if !condition() {
      // This thread sees to it now.
      progress?.set(isWanted: false)
      while !condition() { try scheduler.advance(threads, isWaiting: true) }
    }
    // Also for the other thread's failure. That thread is woken by `advance()`, if this one computes before it waits for
    // what else is under way.
    try scheduler.advance(threads)
  }

  private func buckets(of range: Range<Int>) -> Range<Int> {
    guard let size = plan.buckets.first?.count, !range.isEmpty else { return 0..<0 }
    return range.lowerBound / size..<(range.upperBound - 1) / size + 1
  }
}
