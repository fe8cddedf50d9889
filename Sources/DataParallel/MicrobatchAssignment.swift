/// How a step's batch is split into micro-batches, and which of them a rank computes.
///
/// Micro-batches are consecutive equal parts of the batch; each of W ranks computes `microbatches / W` consecutive
/// ones. A micro-batch is the same computation wherever it runs, which makes a run independent of the world size.
public struct MicrobatchAssignment: Hashable, Sendable {
  public let batchSize: Int
  public let microbatches: Int
  public let rank: Int
  public let worldSize: Int

  /// - Throws: `MicrobatchError` if the batch does not divide into the micro-batches, or the micro-batches among the
  ///   ranks.
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

  /// The number of images in one micro-batch.
  public var microbatchSize: Int { batchSize / microbatches }

  /// The micro-batches that this rank computes.
  public var own: Range<Int> {
    let count = microbatches / worldSize
    return rank * count..<(rank + 1) * count
  }

  /// The positions of a micro-batch's images in the step's batch.
  public func samples(of microbatch: Int) -> Range<Int> {
    microbatch * microbatchSize..<(microbatch + 1) * microbatchSize
  }

  /// The positions of all of this rank's images in the step's batch.
  public var ownSamples: Range<Int> { own.lowerBound * microbatchSize..<own.upperBound * microbatchSize }

  /// Whether sums over the ranks follow the reduction tree over the micro-batches, so that they are bit-for-bit those
  /// of one rank.
  public var isExact: Bool { worldSize & (worldSize - 1) == 0 }
}

/// Thrown when a batch does not divide into micro-batches, or micro-batches do not divide among the ranks.
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
