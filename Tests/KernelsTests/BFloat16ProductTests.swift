import Kernels
import NumericsTestSupport
import Testing

/// Products of factors that are rounded to bfloat16.
@Suite struct BFloat16ProductTests {
  /// The nearest bfloat16, halfway cases to even.
  private func rounded(_ values: [Float]) -> [Float] {
    guard ProductPrecision.hasBFloat16Products else { return values }
    return values.map {
      let bits = $0.bitPattern
      return Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
    }
  }

  private func transpose(_ values: [Float], rows: Int) -> [Float] {
    let columns = values.count / rows
    return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
  }

  @Test(
    arguments: [
      // Narrow ones; odd depths; several blocks of rows, of depth and of columns, and parts of vectors at their ends.
      (1, 1, 1), (3, 32, 32), (33, 35, 47), (17, 64, 5), (65, 513, 161), (401, 300, 70), (40, 1201, 96),
      (770, 66, 130),
    ], [(false, false), (true, false), (false, true), (true, true)])
  func productsOfRoundedFactors(size: (Int, Int, Int), transposed: (left: Bool, right: Bool)) {
    let (m, k, n) = size
    let (a, b) = (normalValues(m * k, seed: 1), normalValues(k * n, seed: 2))
    let (ra, rb) = (rounded(a), transpose(rounded(b), rows: k))
    let expected = (0..<m * n).map { index in
      (0..<k).reduce(0.0) { $0 + Double(ra[index / n * k + $1]) * Double(rb[index % n * k + $1]) }
    }
    let (aT, bT) = (transpose(a, rows: m), transpose(b, rows: k))
    let start = normalValues(m * n, seed: 3)
    (transposed.left ? aT : a).withUnsafeBufferPointer { a in
      (transposed.right ? bT : b).withUnsafeBufferPointer { b in
        let left =
          transposed.left
          ? Matrix(a.baseAddress!, rows: k, columns: m).transposed
          : Matrix(a.baseAddress!, rows: m, columns: k)
        let right =
          transposed.right
          ? Matrix(b.baseAddress!, rows: n, columns: k).transposed
          : Matrix(b.baseAddress!, rows: k, columns: n)
        // NaN before: nothing of it may survive.
        var written = [Float](repeating: .nan, count: m * n)
        MatrixProduct.compute(left, right, into: &written, precision: .bf16)
        #expect(relativeError(of: written.map(Double.init), from: expected) < 1e-6)

        var added = start
        MatrixProduct.compute(left, right, into: &added, accumulating: true, precision: .bf16)
        let sum = zip(expected, start).map { $0 + Double($1) }
        #expect(relativeError(of: added.map(Double.init), from: sum) < 1e-6)
      }
    }
  }

  /// What is non-finite stays so: a step with such a gradient must be noticed.
  @Test(arguments: [Float.nan, .infinity])
  func nonFiniteFactors(_ value: Float) {
    let size = 40
    var a = normalValues(size * size, seed: 6)
    let b = normalValues(size * size, seed: 7)
    a[3 * size + 5] = value
    var output = [Float](repeating: 0, count: size * size)
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        MatrixProduct.compute(
          Matrix(a.baseAddress!, rows: size, columns: size),
          Matrix(b.baseAddress!, rows: size, columns: size),
          into: &output, precision: .bf16)
      }
    }
    for index in output.indices { #expect(output[index].isFinite == (index / size != 3)) }
  }
}
