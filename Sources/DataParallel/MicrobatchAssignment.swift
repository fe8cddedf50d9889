/// How a step's batch is cut into micro-batches, and which of them a rank computes.
///
/// Micro-batches are consecutive equal parts of the batch; a rank of W computes `micro-batches / W` consecutive ones. A micro-batch is the
/// same piece of work wherever it runs, which is what makes a run independent of the world size.
public struct MicrobatchAssignment: Hashable, Sendable {
  public let batchSize: Int
  public let microbatches: Int
  public let rank: Int
  public let worldSize: Int

  /// - Throws: `MicrobatchError` if the batch cannot be cut so, or the micro-batches not be dealt to the ranks.
  public init(batchSize: Int, microbatches: Int, rank: Int, worldSize: Int) throws {
    guard batchSize % microbatches == 0 else {
      throw MicrobatchError.batch(batchSize: batchSize, microbatches: microbatches)
    }
    guard microbatches % worldSize == 0 else {
      throw MicrobatchError.worldSize(worldSize, microbatches: microbatches)
    }
    self.batchSize = batchSize
    self.microbatches = microbatches
    self.rank = rank
    self.worldSize = worldSize
  }

  /// Images of one micro-batch.
  public var microbatchSize: Int { batchSize / microbatches }

  /// The micro-batches that this rank computes.
  public var own: Range<Int> {
    let count = microbatches / worldSize
    return rank * count..<(rank + 1) * count
  }

  /// Positions in the step's batch of the images of `microbatch`.
  public func samples(of microbatch: Int) -> Range<Int> {
    microbatch * microbatchSize..<(microbatch + 1) * microbatchSize
  }

  /// Positions in the step's batch of all images of this rank.
  public var ownSamples: Range<Int> { own.lowerBound * microbatchSize..<own.upperBound * microbatchSize }

  /// Whether sums between the ranks follow the tree over the micro-batches, so that their bits are those of one rank.
  public var isExact: Bool { worldSize & (worldSize - 1) == 0 }
}

/// A batch that does not divide into micro-batches, or micro-batches that do not divide among the ranks.
public enum MicrobatchError: Error, Equatable, CustomStringConvertible {
  case batch(batchSize: Int, microbatches: Int)
  case worldSize(Int, microbatches: Int)

  public var description: String {
    switch self {
    case .batch(let batchSize, let microbatches):
      "training.batch_size: \(batchSize) images cannot be cut into \(microbatches) equal micro-batches (training.microbatches); "
        + "batch sizes near it that can: \(Self.multiples(of: microbatches, near: batchSize))"
    case .worldSize(let worldSize, let microbatches):
      "\(microbatches) micro-batches (training.microbatches) cannot be dealt evenly to \(worldSize) ranks; world sizes that would do: "
        + "\(Self.list(Self.divisors(of: microbatches))); or set training.microbatches to a multiple of \(worldSize)"
    }
  }

  private static func multiples(of microbatches: Int, near batchSize: Int) -> String {
    let lower = batchSize / microbatches * microbatches
    return list([lower, lower + microbatches].filter { $0 > 0 })
  }

  private static func divisors(of number: Int) -> [Int] { (1...number).filter { number % $0 == 0 } }

  private static func list(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: ", ") }
}
