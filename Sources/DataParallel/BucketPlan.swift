/// How the flat memory is cut for its way between the ranks: into buckets, which travel one by one, and each bucket
/// into a part for every rank.
///
/// With a power of two of ranks a part is what is left after halving the bucket once for each bit of the rank: rank
/// bit 0 chooses the half in the exchange with the nearest neighbour, and so on. Other world sizes cut the bucket in
/// rank order.
public struct BucketPlan: Sendable, Equatable {
  /// Buckets, and the parts of ranks, start at multiples of this many floats. Sums over such pieces can be put together
  /// in the same order whichever rank made them.
  public static let granularity = 4096

  public let count: Int
  public let worldSize: Int
  public let buckets: [Range<Int>]

  /// - Parameters:
  ///   - count: floats of the flat memory.
  ///   - bucketSize: floats of a bucket, rounded up to a multiple of the granularity; at least one such for each rank,
  ///     so that every rank has its part.
  public init(count: Int, bucketSize: Int, worldSize: Int) {
    precondition(
      count >= 0 && bucketSize > 0 && worldSize > 0,
      "\(count) floats, buckets of \(bucketSize), \(worldSize) ranks")
    self.count = count
    self.worldSize = worldSize
    let pieces = max((bucketSize + Self.granularity - 1) / Self.granularity, worldSize)
    let size = pieces * Self.granularity
    buckets = stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  /// Whether parts come from halving, so that sums follow the tree over the micro-batches.
  public var isPowerOfTwo: Bool { worldSize & (worldSize - 1) == 0 }

  /// The range of `bucket` that `rank` ends up with.
  public func part(of bucket: Int, rank: Int) -> Range<Int> {
    precondition((0..<worldSize).contains(rank), "rank \(rank) of \(worldSize)")
    return stages(of: bucket, rank: rank).last?.kept ?? buckets[bucket]
  }

  /// All parts of `rank`, one for each bucket.
  public func parts(of rank: Int) -> [Range<Int>] { buckets.indices.map { part(of: $0, rank: rank) } }

  /// A rank's exchange with partners: on the way to sums, it gives each what that one keeps, and gets what it keeps
  /// itself; on the way back it gives what it kept, and gets what it gave.
  struct Stage {
    let kept: Range<Int>
    let partners: [(rank: Int, range: Range<Int>)]
  }

  /// The exchanges by which `rank` comes to its part of `bucket`: with a power of two of ranks, one with each neighbour
  /// at distance 1, 2, 4, ...; else one with all others at once.
  func stages(of bucket: Int, rank: Int) -> [Stage] {
    guard worldSize > 1 else { return [] }
    guard isPowerOfTwo else {
      let others = (1..<worldSize).map { (rank + $0) % worldSize }
      return [
        Stage(
          kept: share(of: bucket, rank: rank), partners: others.map { ($0, share(of: bucket, rank: $0)) })
      ]
    }
    var stages: [Stage] = []
    var range = buckets[bucket]
    var distance = 1
    while distance < worldSize {
      let halves = Self.halves(range)
      let (kept, given) =
        rank & distance == 0 ? (halves.lower, halves.upper) : (halves.upper, halves.lower)
      stages.append(Stage(kept: kept, partners: [(rank ^ distance, given)]))
      range = kept
      distance *= 2
    }
    return stages
  }

  /// Two halves, the first the larger if they differ; the second may be empty.
  private static func halves(_ range: Range<Int>) -> (lower: Range<Int>, upper: Range<Int>) {
    let pieces = (range.count + granularity - 1) / granularity
    let middle = min(range.lowerBound + (pieces + 1) / 2 * granularity, range.upperBound)
    return (range.lowerBound..<middle, middle..<range.upperBound)
  }

  /// A bucket's part for `rank` where all ranks' follow one another.
  private func share(of bucket: Int, rank: Int) -> Range<Int> {
    let range = buckets[bucket]
    let pieces = (range.count + Self.granularity - 1) / Self.granularity
    func border(_ rank: Int) -> Int {
      min(range.lowerBound + pieces * rank / worldSize * Self.granularity, range.upperBound)
    }
    return border(rank)..<border(rank + 1)
  }
}
