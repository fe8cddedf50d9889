import Kernels
import MPI
import Tensors

/// Assembles ranges of sharded memory, each on one rank. Each piece is sent once, directly to the rank that needs it.
public struct ShardCollector {
  /// A range of the flat buffer and the rank on which to assemble it.
  public struct Stretch {
    fileprivate let shard: ParameterShard
    fileprivate let range: Range<Int>
    fileprivate let root: Int
    fileprivate let target: ParameterBuffer?

    /// - Parameters:
    ///   - shard: this rank's parts.
    ///   - root: the rank that receives `range` of the whole.
    ///   - target: destination of `range.count` floats on the root; nil elsewhere.
    public init(of shard: ParameterShard, _ range: Range<Int>, root: Int, target: ParameterBuffer?) {
      precondition(
        target.map { $0.count == range.count } ?? true,
        "\(range.count) floats into \(target?.count ?? 0)")
      self.shard = shard
      self.range = range
      self.root = root
      self.target = target
    }
  }

  private let communicator: Communicator
  private let threads: ThreadPool
  /// Each rank's parts, in ascending order, none of them empty.
  private let parts: [[Range<Int>]]

  public init(communicator: Communicator, plan: BucketPlan, threads: ThreadPool) {
    precondition(
      plan.worldSize == communicator.size,
      "a plan for \(plan.worldSize) ranks, there are \(communicator.size)")
    self.communicator = communicator
    self.threads = threads
    parts = (0..<communicator.size).map { plan.parts(of: $0).filter { !$0.isEmpty } }
  }

  /// Fills the targets of all stretches, which every rank passes in the same order. Collective.
  ///
  /// - Throws: `MPIError`.
  public func collect(_ stretches: [Stretch]) throws {
    // MPI preserves the order of messages between two ranks, so a single tag suffices.
    var requests: [Request] = []
    for stretch in stretches {
      guard stretch.root == communicator.rank else {
        for (index, part, range) in overlaps(communicator.rank, stretch) {
          let source = stretch.shard.pointer(index) + (range.lowerBound - part.lowerBound)
          requests.append(
            try communicator.immediateSend(
              UnsafeBufferPointer(start: source, count: range.count), to: stretch.root))
        }
        continue
      }
      guard let target = stretch.target else { preconditionFailure("the root gave no target") }
      for source in parts.indices where source != communicator.rank {
        for (_, _, range) in overlaps(source, stretch) {
          let place = range.lowerBound - stretch.range.lowerBound
          requests.append(
            try communicator.immediateReceive(
              into: UnsafeMutableBufferPointer(
                rebasing: target.elements[place..<place + range.count]), from: source))
        }
      }
    }
    for stretch in stretches where stretch.root == communicator.rank {
      for (index, part, range) in overlaps(communicator.rank, stretch) {
        guard let target = stretch.target else { continue }
        copy(
          stretch.shard.pointer(index) + (range.lowerBound - part.lowerBound),
          to: target.pointer + (range.lowerBound - stretch.range.lowerBound), count: range.count)
      }
    }
    try Request.waitAll(requests)
  }

  /// Copies with all threads.
  public func copy(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    threads.parallelPieces(count, of: 1 << 18) { piece, _ in
      (target + piece.lowerBound).update(from: source + piece.lowerBound, count: piece.count)
    }
  }

  /// The parts of `rank` that overlap a stretch: the index of the part, its range, and its intersection with the
  /// stretch.
  private func overlaps(
    _ rank: Int, _ stretch: Stretch
  ) -> [(index: Int, part: Range<Int>, range: Range<Int>)] {
    parts[rank].enumerated().filter { $0.element.overlaps(stretch.range) }
      .map { ($0.offset, $0.element, $0.element.clamped(to: stretch.range)) }
  }
}
