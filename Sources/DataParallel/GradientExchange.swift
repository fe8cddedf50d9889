import Kernels
import MPI
import Tensors

/// Sums gradients over the ranks such that each rank has the sum of its parts (reduce-scatter), bucket by bucket and
/// while other work goes on; and gives every rank all parts of what was made of them (all-gather).
///
/// Bandwidth-optimal for a power of two of ranks: a rank sends and receives (W - 1) / W of the memory in either
/// direction. MPI makes progress when it is called: `advance()` from time to time, between two layers, is what hides
/// communication behind computation.
public final class GradientExchange {
  public let plan: BucketPlan
  private let communicator: Communicator
  private let threads: ThreadPool
  /// Buckets that wait for those before them: only so many travel at once, as each needs memory to arrive in.
  private var waiting: [(bucket: Int, memory: FlatMemory)] = []
  private var travelling: [BucketReduction] = []

  private static let travellingAtOnce = 4

  public init(communicator: Communicator, plan: BucketPlan, threads: ThreadPool) {
    precondition(
      plan.worldSize == communicator.size,
      "a plan for \(plan.worldSize) ranks, there are \(communicator.size)")
    self.communicator = communicator
    self.plan = plan
    self.threads = threads
  }

  /// Starts to sum a bucket of `gradients`, whose memory in it must be left alone until `finish()`. Collective: all
  /// ranks start the same buckets in the same order.
  ///
  /// - Throws: `MPIError`.
  public func start(_ bucket: Int, of gradients: FlatMemory) throws {
    precondition(gradients.count == plan.count, "\(gradients.count) gradients, the plan has \(plan.count)")
    guard communicator.size > 1 else { return }
    waiting.append((bucket, gradients))
    try advance()
  }

  /// Lets the buckets under way go as far as they can without waiting.
  ///
  /// - Throws: `MPIError`.
  public func advance() throws {
    guard plan.isPowerOfTwo else { return }
    // Finished from the first: later ones have less behind them.
    travelling = try travelling.filter { try !$0.advance() }
    while travelling.count < Self.travellingAtOnce, !waiting.isEmpty { try launch() }
  }

  /// Waits until this rank's parts of all buckets that were started hold their sums.
  ///
  /// - Throws: `MPIError`.
  public func finish() throws {
    guard plan.isPowerOfTwo else { return try reduceOnRank0() }
    while !travelling.isEmpty || !waiting.isEmpty {
      if travelling.isEmpty { try launch() }
      try travelling[0].wait()
      try advance()
    }
  }

  private func launch() throws {
    let (bucket, memory) = waiting.removeFirst()
    travelling.append(
      try BucketReduction(
        plan, bucket: bucket, of: memory.pointer, communicator: communicator, threads: threads))
  }

  /// For world sizes that are no power of two: rank 0 adds all ranks' gradients, in rank order. Another order of
  /// additions than one rank's, and the whole of each bucket on every rank.
  private func reduceOnRank0() throws {
    for (bucket, memory) in waiting {
      let range = plan.buckets[bucket]
      let own = UnsafeMutableBufferPointer(rebasing: memory.elements[range])
      if communicator.rank == 0 {
        let received = FloatMemory.allocate(range.count)
        defer { received.deallocate() }
        let arrived = UnsafeMutableBufferPointer(rebasing: received[..<range.count])
        for source in 1..<communicator.size {
          try communicator.receive(into: arrived, from: source, tag: bucket)
          Elementwise.add(
            own.baseAddress!, arrived.baseAddress!, output: own.baseAddress!, count: range.count,
            pool: threads)
        }
      } else {
        try communicator.send(UnsafeBufferPointer(own), to: 0, tag: bucket)
      }
      try communicator.broadcast(own, root: 0)
    }
    waiting = []
  }

  /// Gives every rank the parts of all others: afterwards `memory` is the same on all. Collective.
  ///
  /// - Throws: `MPIError`.
  public func gather(_ memory: FlatMemory) throws {
    precondition(memory.count == plan.count, "\(memory.count) floats, the plan has \(plan.count)")
    guard communicator.size > 1 else { return }
    guard plan.isPowerOfTwo else { return try broadcastParts(memory) }
    for bucket in plan.buckets.indices {
      let path = plan.path(of: bucket, rank: communicator.rank)
      for stage in (0..<path.count - 1).reversed() {
        let halves = BucketPlan.halves(path[stage])
        let own = path[stage + 1]
        let other = own == halves.lower ? halves.upper : halves.lower
        let partner = communicator.rank ^ (1 << stage)
        try communicator.sendReceive(
          UnsafeBufferPointer(rebasing: memory.elements[own]), to: partner,
          into: UnsafeMutableBufferPointer(rebasing: memory.elements[other]), from: partner, tag: bucket)
      }
    }
  }

  private func broadcastParts(_ memory: FlatMemory) throws {
    for bucket in plan.buckets.indices {
      for root in 0..<communicator.size {
        let part = plan.part(of: bucket, rank: root)
        guard !part.isEmpty else { continue }
        try communicator.broadcast(UnsafeMutableBufferPointer(rebasing: memory.elements[part]), root: root)
      }
    }
  }
}
