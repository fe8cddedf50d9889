/// How the flat parameter buffer is partitioned for communication: into buckets, which are transferred one by one, and
/// each bucket into one part per rank.
///
/// When the number of ranks is a power of two, a rank's part is what remains after halving the bucket once per bit of
/// the rank: bit 0 selects the half in the exchange with the nearest neighbour, and so on. Other world sizes split the
/// bucket in rank order.
public struct BucketPlan: Sendable, Equatable {
  /// Buckets and the ranks' parts start at multiples of this many floats, so that sums over such pieces can be combined
  /// in the same order regardless of which rank computed them.
  public static let granularity = 4096

  public let count: Int
  public let worldSize: Int
  public let buckets: [Range<Int>]

  /// - Parameters:
  ///   - count: size of the flat buffer in floats.
  ///   - bucketSize: floats per bucket, rounded up to a multiple of the granularity; at least one such multiple per
  ///     rank, so that every rank has a part.
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

  /// Whether parts result from repeated halving, so that sums follow the reduction tree over the micro-batches.
  public var isPowerOfTwo: Bool { worldSize & (worldSize - 1) == 0 }

  /// The range of `bucket` that `rank` holds after the reduce-scatter.
  public func part(of bucket: Int, rank: Int) -> Range<Int> {
    precondition((0..<worldSize).contains(rank), "rank \(rank) of \(worldSize)")
    return stages(of: bucket, rank: rank).last?.kept ?? buckets[bucket]
  }

  /// All parts of `rank`, one per bucket.
  public func parts(of rank: Int) -> [Range<Int>] { buckets.indices.map { part(of: $0, rank: rank) } }

  /// One exchange of a rank with its partners. In the reduce-scatter, it sends each partner the range which that
  /// partner keeps and receives the range it keeps itself; in the all-gather, it sends the range it kept and receives
  /// those it gave away.
  struct Stage {
    let kept: Range<Int>
    let partners: [(rank: Int, range: Range<Int>)]
  }

  /// The exchanges that leave `rank` with its part of `bucket`: for a power of two of ranks, one with each neighbour at
  /// distance 1, 2, 4, ...; otherwise a single one with all other ranks.
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

  /// Splits a range in two; the first half is the larger if they differ, and the second may be empty.
  private static func halves(_ range: Range<Int>) -> (lower: Range<Int>, upper: Range<Int>) {
    let pieces = (range.count + granularity - 1) / granularity
    let middle = min(range.lowerBound + (pieces + 1) / 2 * granularity, range.upperBound)
    return (range.lowerBound..<middle, middle..<range.upperBound)
  }

  /// The part of `rank` when a bucket is split in rank order.
  private func share(of bucket: Int, rank: Int) -> Range<Int> {
    let range = buckets[bucket]
    let pieces = (range.count + Self.granularity - 1) / Self.granularity
    func border(_ rank: Int) -> Int {
      min(range.lowerBound + pieces * rank / worldSize * Self.granularity, range.upperBound)
    }
    return border(rank)..<border(rank + 1)
  }
}
