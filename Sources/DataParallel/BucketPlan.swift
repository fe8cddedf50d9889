/// How the flat memory is cut for its way between the ranks: into buckets, which travel one by one, and each bucket
/// into a part for every rank.
///
/// With a power of two of ranks a part is what is left after halving the bucket once for each bit of the rank: rank
/// bit 0 chooses the half in the exchange with the nearest neighbour, and so on. Other world sizes cut the bucket in
/// rank order.
public struct BucketPlan: Sendable, Equatable {
  /// Buckets, and the parts of ranks, start at multiples of this many floats. Sums over such pieces can be put together
  /// in the same order whichever rank made them.
  public static let granularity = 1024

  public let count: Int
  public let worldSize: Int
  public let buckets: [Range<Int>]

  /// - Parameters:
  ///   - count: floats of the flat memory.
  ///   - bucketSize: floats of a bucket, rounded up to a multiple of the granularity.
  public init(count: Int, bucketSize: Int, worldSize: Int) {
    precondition(
      count >= 0 && bucketSize > 0 && worldSize > 0,
      "\(count) floats, buckets of \(bucketSize), \(worldSize) ranks")
    self.count = count
    self.worldSize = worldSize
    let size = (bucketSize + Self.granularity - 1) / Self.granularity * Self.granularity
    buckets = stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  /// Whether parts come from halving, so that sums follow the tree over the slices.
  public var isPowerOfTwo: Bool { worldSize & (worldSize - 1) == 0 }

  /// The range of `bucket` that `rank` ends up with.
  public func part(of bucket: Int, rank: Int) -> Range<Int> {
    precondition((0..<worldSize).contains(rank), "rank \(rank) of \(worldSize)")
    guard isPowerOfTwo else {
      let range = buckets[bucket]
      let pieces = (range.count + Self.granularity - 1) / Self.granularity
      func border(_ rank: Int) -> Int {
        min(range.lowerBound + pieces * rank / worldSize * Self.granularity, range.upperBound)
      }
      return border(rank)..<border(rank + 1)
    }
    return path(of: bucket, rank: rank).last ?? buckets[bucket]
  }

  /// All parts of `rank`, one for each bucket.
  public func parts(of rank: Int) -> [Range<Int>] { buckets.indices.map { part(of: $0, rank: rank) } }

  /// The ranges that `rank` holds sums of after 0, 1, 2, ... exchanges: the bucket, its half, a quarter, ...
  func path(of bucket: Int, rank: Int) -> [Range<Int>] {
    var ranges = [buckets[bucket]]
    var distance = 1
    while distance < worldSize {
      let halves = Self.halves(ranges[ranges.count - 1])
      ranges.append(rank & distance == 0 ? halves.lower : halves.upper)
      distance *= 2
    }
    return ranges
  }

  /// Two halves, the first the larger if they differ; the second may be empty.
  static func halves(_ range: Range<Int>) -> (lower: Range<Int>, upper: Range<Int>) {
    let pieces = (range.count + granularity - 1) / granularity
    let middle = min(range.lowerBound + (pieces + 1) / 2 * granularity, range.upperBound)
    return (range.lowerBound..<middle, middle..<range.upperBound)
  }
}
