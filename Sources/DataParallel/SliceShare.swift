/// How a step's batch is cut into slices, and which of them a rank computes.
///
/// Slices are consecutive equal parts of the batch; a rank of W computes `slices / W` consecutive ones. A slice is the
/// same piece of work wherever it runs, which is what makes a run independent of the world size.
public struct SliceShare: Hashable, Sendable {
  public let batchSize: Int
  public let slices: Int
  public let rank: Int
  public let worldSize: Int

  /// - Throws: `SliceError` if the batch cannot be cut so, or the slices not be dealt to the ranks.
  public init(batchSize: Int, slices: Int, rank: Int, worldSize: Int) throws {
    guard batchSize % slices == 0 else {
      throw SliceError.batch(batchSize: batchSize, slices: slices)
    }
    guard slices % worldSize == 0 else {
      throw SliceError.worldSize(worldSize, slices: slices)
    }
    self.batchSize = batchSize
    self.slices = slices
    self.rank = rank
    self.worldSize = worldSize
  }

  /// Images of one slice.
  public var sliceSize: Int { batchSize / slices }

  /// The slices that this rank computes.
  public var own: Range<Int> {
    let count = slices / worldSize
    return rank * count..<(rank + 1) * count
  }

  /// Positions in the step's batch of the images of `slice`.
  public func samples(of slice: Int) -> Range<Int> { slice * sliceSize..<(slice + 1) * sliceSize }

  /// Positions in the step's batch of all images of this rank.
  public var ownSamples: Range<Int> { own.lowerBound * sliceSize..<own.upperBound * sliceSize }

  /// Whether sums between the ranks follow the tree over the slices, so that their bits are those of one rank.
  public var isExact: Bool { worldSize & (worldSize - 1) == 0 }
}

/// A batch that does not divide into slices, or slices that do not divide among the ranks.
public enum SliceError: Error, Equatable, CustomStringConvertible {
  case batch(batchSize: Int, slices: Int)
  case worldSize(Int, slices: Int)

  public var description: String {
    switch self {
    case .batch(let batchSize, let slices):
      "training.batch_size: \(batchSize) images cannot be cut into \(slices) equal slices (training.slices); "
        + "batch sizes near it that can: \(Self.multiples(of: slices, near: batchSize))"
    case .worldSize(let worldSize, let slices):
      "\(slices) slices (training.slices) cannot be dealt evenly to \(worldSize) ranks; world sizes that would do: "
        + "\(Self.list(Self.divisors(of: slices))); or set training.slices to a multiple of \(worldSize)"
    }
  }

  private static func multiples(of slices: Int, near batchSize: Int) -> String {
    let lower = batchSize / slices * slices
    return list([lower, lower + slices].filter { $0 > 0 })
  }

  private static func divisors(of number: Int) -> [Int] { (1...number).filter { number % $0 == 0 } }

  private static func list(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: ", ") }
}
