/// 16-bit floats with float32's exponent: the upper half of a float32.
public enum BFloat16 {
  /// The number of elements per task.
  private static let piece = 16_384

  /// output = x, rounded to the nearest, ties to even; NaN stays NaN.
  public static func round(
    _ x: UnsafePointer<Float>, to output: UnsafeMutablePointer<UInt16>, count: Int, pool: ThreadPool
  ) {
    pool.parallelPieces(count, of: piece) { range, _ in
      forEachVector(range.count) { index in
        let at = range.lowerBound &+ index
        let bits = unsafeBitCast(Vector(from: x + at), to: SIMD16<UInt32>.self)
        UnsafeMutableRawPointer(output + at).storeBytes(of: rounded(bits), as: SIMD16<UInt16>.self)
      } rest: { index, rest in
        for at in range.lowerBound + index..<range.lowerBound + index + rest {
          output[at] = rounded(SIMD16(repeating: x[at].bitPattern))[0]
        }
      }
    }
  }

  /// sum += x.
  public static func add(
    _ x: UnsafePointer<UInt16>, to sum: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    pool.parallelPieces(count, of: piece) { range, _ in
      forEachVector(range.count) { index in
        let at = range.lowerBound &+ index
        let bits = UnsafeRawPointer(x + at).loadUnaligned(as: SIMD16<UInt16>.self)
        let addend = unsafeBitCast(SIMD16<UInt32>(truncatingIfNeeded: bits) &<< 16, to: Vector.self)
        (Vector(from: sum + at) + addend).store(to: sum + at)
      } rest: { index, rest in
        for at in range.lowerBound + index..<range.lowerBound + index + rest {
          sum[at] += Float(bitPattern: UInt32(x[at]) << 16)
        }
      }
    }
  }

  @inline(__always)
  private static func rounded(_ bits: SIMD16<UInt32>) -> SIMD16<UInt16> {
    // Adds just under half a unit in the last place, or exactly half if the last place is odd.
    let nearest = bits &+ 0x7FFF &+ ((bits &>> 16) & 1)
    // NaNs get the quiet bit, so that truncation cannot turn them into infinity.
    let isNumber = (bits & 0x7FFF_FFFF) .<= 0x7F80_0000
    return SIMD16(truncatingIfNeeded: (bits | 0x0040_0000).replacing(with: nearest, where: isNumber) &>> 16)
  }
}
