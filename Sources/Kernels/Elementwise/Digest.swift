/// Fingerprints of memory, for comparing remote copies without transferring them. Not cryptographic: a single flipped
/// bit always changes the digest, other differences almost certainly do.
public enum Digest {
  private static let piece = 65_536

  /// The digest of the bits of `count` floats.
  public static func of(_ values: UnsafePointer<Float>, count: Int, pool: ThreadPool) -> UInt64 {
    let pieces = [UInt64](unsafeUninitializedCapacity: (count + piece - 1) / piece) { digests, initialized in
      let digests = UnsafeMutableBufferPointer(rebasing: digests[..<((count + piece - 1) / piece)])
      pool.parallelPieces(count, of: piece) { range, _ in
        digests[range.lowerBound / piece] = digest(values + range.lowerBound, range.count)
      }
      initialized = digests.count
    }
    return combined(pieces)
  }

  /// Sixteen interleaved polynomials with the bits as coefficients. The base is odd, so a change of a coefficient is
  /// never multiplied away.
  private static func digest(_ values: UnsafePointer<Float>, _ count: Int) -> UInt64 {
    let base = SIMD16<UInt32>(repeating: 0x9E37_79B1)
    var lanes = SIMD16<UInt32>(repeating: 0)
    var index = 0
    while index + 16 <= count {
      let bits = UnsafeRawPointer(values + index).loadUnaligned(as: SIMD16<UInt32>.self)
      lanes = lanes &* base &+ bits
      index += 16
    }
    return combined(
      (0..<16).map { UInt64(lanes[$0]) } + (index..<count).map { UInt64(values[$0].bitPattern) })
  }

  private static func combined(_ numbers: [UInt64]) -> UInt64 {
    numbers.reduce(0) { $0 &* 0x9E37_79B9_7F4A_7C15 &+ $1 }
  }
}
