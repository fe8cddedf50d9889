import Kernels
import MPI
import Tensors

/// The transfer of one bucket between the ranks, stage by stage. It only makes progress when `advance` is called.
protocol BucketTransfer: AnyObject {
  /// Advances as far as possible without blocking; returns true once the transfer is complete.
  ///
  /// - Parameter threads: the calling thread's pool, used for additions and copies.
  func advance(_ threads: ThreadPool) throws -> Bool
}

extension [Request] {
  /// Removes completed requests; returns true when none are left.
  mutating func complete() throws -> Bool {
    while let request = last {
      guard try request.test() else { return false }
      removeLast()
    }
    return true
  }
}

/// The reduce-scatter of a bucket: at each stage, a rank adds its partners' values of the range it keeps to its own,
/// and the next stage subdivides that range.
///
/// With pairwise exchanges, the sums are those of the reduction tree over the micro-batches, whichever rank adds them,
/// because the addition of two values is commutative.
final class BucketReduction: BucketTransfer {
  private let stages: [BucketPlan.Stage]
  private let memory: ParameterBuffer
  private let localPeers: LocalPeers
  private let buffers: MessageBuffers
  private let tag: Int
  private var stage = 0
  /// The current stage's exchange, if its partners' memory is shared; `visits` holds those of earlier stages.
  private var sharedExchange: SharedMemoryExchange?
  private var visits: [SharedMemoryExchange] = []
  private var receives: [Request] = []
  private var sends: [Request] = []

  /// Starts the first exchange.
  ///
  /// - Parameters:
  ///   - memory: the whole flat buffer; the bucket's range of it must not be accessed until the transfer is complete.
  ///   - buffers: used exclusively by this transfer until it is complete.
  init(
    _ stages: [BucketPlan.Stage], of memory: ParameterBuffer, among localPeers: LocalPeers,
    over buffers: MessageBuffers,
    tag: Int, _ threads: ThreadPool
  ) throws {
    self.stages = stages
    self.memory = memory
    self.localPeers = localPeers
    self.buffers = buffers
    self.tag = tag
    try startExchange(threads)
  }

  func advance(_ threads: ThreadPool) throws -> Bool {
    while stage < stages.count {
      let kept = stages[stage].kept
      let sum = memory.pointer + kept.lowerBound
      if let sharedExchange {
        guard try sharedExchange.isOpen() else { return false }
        for partner in sharedExchange.memories {
          Elementwise.add(sum, partner + kept.lowerBound, output: sum, count: kept.count, pool: threads)
        }
        try sharedExchange.leave()
        visits.append(sharedExchange)
      } else {
        guard try receives.complete() else { return false }
        // Only copied sends must have completed, as the next stage reuses their buffer; others read outside the range
        // that is kept.
        guard try !buffers.copies || sends.complete() else { return false }
        buffers.addReceived(to: sum, count: kept.count, threads)
      }
      stage += 1
      try startExchange(threads)
    }
    return try sends.complete() && visits.allSatisfy { try $0.isOver() }
  }

  private func startExchange(_ threads: ThreadPool) throws {
    guard stage < stages.count else { return }
    let (kept, partners) = (stages[stage].kept, stages[stage].partners)
    let ranks = partners.map(\.rank)
    sharedExchange = try localPeers.sharedExchange(ranks, for: memory, tag: tag)
    guard sharedExchange == nil else { return }
    // Receives are posted before any send.
    receives = try buffers.receive(kept.count, from: ranks, tag: tag)
    sends += try buffers.send(
      partners.map { ($0.rank, UnsafeBufferPointer(rebasing: memory.elements[$0.range])) }, tag: tag, threads)
  }
}

/// The all-gather of a bucket: the stages of its reduction in reverse order. Parts are copied without conversion.
final class BucketGathering: BucketTransfer {
  private let communicator: Communicator
  private let memory: ParameterBuffer
  private let localPeers: LocalPeers
  private let tag: Int
  private var stages: ArraySlice<BucketPlan.Stage>
  /// The current stage's exchange, if its partners' memory is shared; `visits` holds those of earlier stages.
  private var sharedExchange: SharedMemoryExchange?
  private var visits: [SharedMemoryExchange] = []
  private var requests: [Request] = []

  /// Starts the first exchange.
  init(
    _ stages: [BucketPlan.Stage], of memory: ParameterBuffer, among localPeers: LocalPeers,
    over communicator: Communicator, tag: Int
  ) throws {
    self.communicator = communicator
    self.memory = memory
    self.localPeers = localPeers
    self.tag = tag
    self.stages = stages[...]
    try startExchange()
  }

  func advance(_ threads: ThreadPool) throws -> Bool {
    while let stage = stages.last {
      if let sharedExchange {
        guard try sharedExchange.isOpen() else { return false }
        for (partner, from) in zip(stage.partners, sharedExchange.memories) {
          let start = partner.range.lowerBound
          Elementwise.copy(
            from + start, to: memory.pointer + start, count: partner.range.count, pool: threads)
        }
        try sharedExchange.leave()
        visits.append(sharedExchange)
      } else {
        guard try requests.complete() else { return false }
      }
      stages.removeLast()
      try startExchange()
    }
    return try visits.allSatisfy { try $0.isOver() }
  }

  private func startExchange() throws {
    guard let stage = stages.last else { return }
    sharedExchange = try localPeers.sharedExchange(stage.partners.map(\.rank), for: memory, tag: tag)
    guard sharedExchange == nil else { return }
    requests = try stage.partners.map { partner in
      try communicator.immediateReceive(
        into: UnsafeMutableBufferPointer(rebasing: memory.elements[partner.range]), from: partner.rank,
        tag: tag)
    }
    requests += try stage.partners.map { partner in
      try communicator.immediateSend(
        UnsafeBufferPointer(rebasing: memory.elements[stage.kept]), to: partner.rank, tag: tag)
    }
  }
}
