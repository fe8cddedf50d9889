import Randomness

/// The infinite order in which training visits the images of a dataset: every epoch visits each image once, in a
/// different order. It needs no memory and any position can be computed directly, so every rank can compute all of it,
/// and a resumed run continues it.
///
/// An epoch's order is a pseudorandom permutation: a Feistel network permutes 0..<4^k, the smallest such domain that
/// covers all images, and is reapplied until the result is an image ("cycle walking": Black and Rogaway, "Ciphers with
/// Arbitrary Finite Domains", 2002). This takes fewer than four applications on average. The round function is Philox,
/// keyed by seed and epoch.
public struct SampleOrder: Sendable {
  /// Four rounds suffice for a random function (Luby and Rackoff, 1988); more help if the halves have few bits.
  private static let roundCount = 8

  public let count: Int
  private let seed: UInt64
  private let halfBits: Int

  /// - Parameter count: the number of images, 1 or more.
  public init(seed: UInt64, count: Int) {
    precondition(count > 0, "an order needs images, count is \(count)")
    self.seed = seed
    self.count = count
    let bits = Int.bitWidth - (count - 1).leadingZeroBitCount
    halfBits = max(1, (bits + 1) / 2)
  }

  /// The image at `position`, 0 or more, of the infinite order.
  public func index(at position: Int) -> Int {
    precondition(position >= 0, "position \(position) must not be negative")
    let (epoch, place) = position.quotientAndRemainder(dividingBy: count)
    let stream = RandomStream(seed: seed, purpose: .sampleOrder, step: epoch)
    var value = UInt64(place)
    repeat { value = permute(value, stream) } while value >= count
    return Int(value)
  }

  /// One pass of the Feistel network, a permutation of 0..<4^k.
  private func permute(_ value: UInt64, _ stream: RandomStream) -> UInt64 {
    let mask = (UInt64(1) << halfBits) - 1
    var (left, right) = (value >> halfBits, value & mask)
    for round in 0..<Self.roundCount {
      // A half has at most 32 bits: round and half fit into one stream index.
      let scrambled = UInt64(stream.block(round << 32 | Int(right)).x)
      (left, right) = (right, left ^ (scrambled & mask))
    }
    return left << halfBits | right
  }
}
