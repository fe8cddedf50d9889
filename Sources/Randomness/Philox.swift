/// Philox 4x32-10, the counter-based generator of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3"
/// (SC 2011). It has no state: the same key and counter give the same 128 random bits on every rank, on every
/// thread, before and after a restart.
public struct Philox: Sendable {
  /// 128 bits, as a counter or as a result.
  public typealias Block = SIMD4<UInt32>

  private let key: SIMD2<UInt32>

  public init(key: UInt64) {
    self.key = SIMD2(UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32))
  }

  /// The 128 random bits at `counter`.
  @inlinable
  public func callAsFunction(_ counter: Block) -> Block {
    var block = counter
    var (k0, k1) = keyWords
    for _ in 0..<10 {
      let p0 = UInt64(block.x) &* 0xD251_1F53
      let p1 = UInt64(block.z) &* 0xCD9E_8D57
      block = Block(
        UInt32(truncatingIfNeeded: p1 >> 32) ^ block.y ^ k0,
        UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ block.w ^ k1,
        UInt32(truncatingIfNeeded: p0))
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return block
  }

  @usableFromInline var keyWords: (UInt32, UInt32) { (key.x, key.y) }
}
