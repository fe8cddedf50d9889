import Kernels
import MPI
import Tensors

/// Sums gradients over the ranks such that each rank has the sum of its parts (reduce-scatter), bucket by bucket and
/// while other work goes on; and gives every rank all parts of what was made of them (all-gather), while other work
/// goes on too.
///
/// Bandwidth-optimal: a rank sends and receives (W - 1) / W of the memory in either direction. MPI makes progress when
/// it is called: `advance()` from time to time, between two layers, is what hides communication behind computation.
public final class GradientExchange {
  public let plan: BucketPlan
  private let communicator: Communicator
  private let reductions = TransferQueue("reduce-scatter")
  private let gatherings = TransferQueue("all-gather")
  /// One for each lane.
  private let wires: [Wire]
  /// Of a gathering that has been started: which buckets are there.
  private var isThere: [Bool]

  public init(
    communicator: Communicator, plan: BucketPlan, threads: ThreadPool,
    compression: GradientCompression = .none
  ) {
    precondition(
      plan.worldSize == communicator.size,
      "a plan for \(plan.worldSize) ranks, there are \(communicator.size)")
    self.communicator = communicator
    self.plan = plan
    let stages = plan.buckets.indices.flatMap { plan.stages(of: $0, rank: communicator.rank) }
    wires =
      stages.isEmpty
      ? []
      : (0..<min(TransferQueue.lanes, plan.buckets.count)).map { _ in
        Wire(for: stages, compression, communicator: communicator, threads: threads)
      }
    isThere = plan.buckets.map { _ in true }
  }

  /// What is told of each bucket's way between the ranks; nil: nothing is measured.
  public var profile: Profile? {
    didSet {
      reductions.profile = profile
      gatherings.profile = profile
    }
  }

  /// Lets what is under way go as far as it can without waiting.
  ///
  /// - Throws: `MPIError`.
  public func advance() throws {
    if !reductions.isEmpty { try reductions.advance() }
    if !gatherings.isEmpty { try gatherings.advance { isThere[$0] = true } }
  }

  // MARK: Sums

  /// Starts to sum a bucket of `gradients`, whose memory in it must be left alone until `finish()`. Collective: all
  /// ranks start the same buckets in the same order.
  ///
  /// - Throws: `MPIError`.
  public func start(_ bucket: Int, of gradients: FlatMemory) throws {
    precondition(gradients.count == plan.count, "\(gradients.count) gradients, the plan has \(plan.count)")
    guard communicator.size > 1 else { return }
    let stages = plan.stages(of: bucket, rank: communicator.rank)
    try reductions.add(bucket) { [wires] lane in
      try BucketReduction(stages, of: gradients, over: wires[lane], tag: bucket)
    }
  }

  /// Waits until this rank's parts of all buckets that were started hold their sums.
  ///
  /// - Throws: `MPIError`.
  public func finish() throws {
    while !reductions.isEmpty { try advance() }
  }

  // MARK: What was made of them

  /// Starts to give every rank the parts of `memory` of all others, from its beginning to its end: afterwards it is the
  /// same on all. What lies in a bucket must be left alone until that is there. Collective.
  ///
  /// - Throws: `MPIError`.
  public func startGathering(_ memory: FlatMemory) throws {
    precondition(memory.count == plan.count, "\(memory.count) floats, the plan has \(plan.count)")
    guard communicator.size > 1 else { return }
    try finishGathering()
    for bucket in plan.buckets.indices {
      isThere[bucket] = false
      let stages = plan.stages(of: bucket, rank: communicator.rank)
      // Tags of their own: a rank may still gather a bucket that another one has begun to sum.
      try gatherings.add(bucket) { [communicator, tag = plan.buckets.count + bucket] _ in
        try BucketGathering(stages, of: memory, over: communicator, tag: tag)
      }
    }
  }

  /// Whether all of `range` is there.
  public func isGathered(_ range: Range<Int>) -> Bool {
    gatherings.isEmpty || buckets(of: range).allSatisfy { isThere[$0] }
  }

  /// Waits until all of `range` is there.
  ///
  /// - Throws: `MPIError`.
  public func waitUntilGathered(_ range: Range<Int>) throws {
    while !isGathered(range) { try advance() }
  }

  /// Waits until everything is there.
  ///
  /// - Throws: `MPIError`.
  public func finishGathering() throws {
    while !gatherings.isEmpty { try advance() }
  }

  /// Gives every rank the parts of all others. Collective.
  ///
  /// - Throws: `MPIError`.
  public func gather(_ memory: FlatMemory) throws {
    try startGathering(memory)
    try finishGathering()
  }

  private func buckets(of range: Range<Int>) -> Range<Int> {
    guard let size = plan.buckets.first?.count, !range.isEmpty else { return 0..<0 }
    return range.lowerBound / size..<(range.upperBound - 1) / size + 1
  }
}
