import Kernels
import MPI

/// The reduce-scatter of one bucket under way, by recursive halving: at distance 1, 2, 4, ... two ranks exchange the
/// halves that they do not keep, and each adds what it got to the half that it keeps. It advances when it is asked to.
///
/// In this order the sums are those of the tree over the slices, whichever rank adds them: a sum of two does not depend
/// on which comes first.
final class BucketReduction {
  private let communicator: Communicator
  private let memory: UnsafeMutablePointer<Float>
  private let path: [Range<Int>]
  private let tag: Int
  private let threads: ThreadPool
  /// Halves to be added arrive here.
  private let received: UnsafeMutableBufferPointer<Float>
  private var stage = 0
  private var requests: [Request] = []

  /// Starts the first exchange.
  ///
  /// - Parameter memory: where the whole flat memory begins; the bucket's part of it belongs to this until it is done.
  init(
    _ plan: BucketPlan, bucket: Int, of memory: UnsafeMutablePointer<Float>, communicator: Communicator,
    threads: ThreadPool
  ) throws {
    self.communicator = communicator
    self.memory = memory
    self.threads = threads
    path = plan.path(of: bucket, rank: communicator.rank)
    tag = bucket
    // Ranks may keep the larger half.
    received = FloatMemory.allocate(max(BucketPlan.halves(path[0]).lower.count, 1))
    try startExchange()
  }

  deinit {
    // The requests first: until they are through, MPI may write to the buffer.
    requests = []
    received.deallocate()
  }

  /// Goes as far as it can without waiting; true when the rank's part holds its sums.
  func advance() throws -> Bool {
    while stage < path.count - 1 {
      for request in requests where try !request.test() { return false }
      try finishExchange()
    }
    return true
  }

  /// Waits until the rank's part holds its sums.
  func wait() throws {
    while stage < path.count - 1 {
      try Request.waitAll(requests)
      try finishExchange()
    }
  }

  private func startExchange() throws {
    guard stage < path.count - 1 else { return }
    let partner = communicator.rank ^ (1 << stage)
    let (whole, kept) = (path[stage], path[stage + 1])
    let halves = BucketPlan.halves(whole)
    let given = kept == halves.lower ? halves.upper : halves.lower
    requests = [
      try communicator.immediateReceive(
        into: UnsafeMutableBufferPointer(rebasing: received[..<kept.count]), from: partner, tag: tag),
      try communicator.immediateSend(
        UnsafeBufferPointer(start: memory + given.lowerBound, count: given.count), to: partner, tag: tag),
    ]
  }

  private func finishExchange() throws {
    requests = []
    let kept = path[stage + 1]
    let sum = memory + kept.lowerBound
    Elementwise.add(sum, received.baseAddress!, output: sum, count: kept.count, pool: threads)
    stage += 1
    try startExchange()
  }
}
