import Kernels
import NumericsTestSupport
import Testing

@Suite struct MatrixProductTests {
  /// left [m, k] times right [k, n], in double precision.
  private func product(_ left: [Float], _ right: [Float], _ m: Int, _ k: Int, _ n: Int) -> [Double] {
    (0..<m * n).map { index in
      (0..<k).reduce(0) { $0 + Double(left[index / n * k + $1]) * Double(right[$1 * n + index % n]) }
    }
  }

  private func transpose(_ values: [Float], rows: Int) -> [Float] {
    let columns = values.count / rows
    return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
  }

  @Test(
    arguments: [
      (1, 1, 1), (3, 5, 7), (28, 28, 84), (129, 33, 3), (300, 64, 64), (2, 200, 1),
      // Narrow ones, also such that vectors overlap.
      (1, 3, 16), (7, 28, 17), (70, 9, 28), (5, 20, 47), (11, 30, 72), (4, 17, 131), (29, 300, 80),
      // Several blocks of rows, of depth and of columns; parts of vectors at their ends.
      (401, 300, 70), (65, 513, 161), (40, 600, 5), (100, 16, 64),
    ], [(false, false), (true, false), (false, true), (true, true)])
  func allForms(size: (Int, Int, Int), transposed: (left: Bool, right: Bool)) {
    let (m, k, n) = size
    let (a, b) = (normalValues(m * k, seed: 1), normalValues(k * n, seed: 2))
    let expected = product(a, b, m, k, n)
    let (aT, bT) = (transpose(a, rows: m), transpose(b, rows: k))
    let start = normalValues(m * n, seed: 3)
    aT.withUnsafeBufferPointer { aT in
      bT.withUnsafeBufferPointer { bT in
        a.withUnsafeBufferPointer { a in
          b.withUnsafeBufferPointer { b in
            let left =
              transposed.left
              ? Matrix(aT.baseAddress!, rows: k, columns: m).transposed
              : Matrix(a.baseAddress!, rows: m, columns: k)
            let right =
              transposed.right
              ? Matrix(bT.baseAddress!, rows: n, columns: k).transposed
              : Matrix(b.baseAddress!, rows: k, columns: n)
            // NaN before: nothing of it may survive.
            var written = [Float](repeating: .nan, count: m * n)
            MatrixProduct.compute(left, right, into: &written, scale: 0.5)
            #expect(relativeError(of: written.map(Double.init), from: expected.map { $0 / 2 }) < 1e-6)

            // What processors without wide registers use.
            var byLibrary = start
            MatrixProduct.computeByOpenBLAS(
              left, right, into: &byLibrary, stride: n, scale: 0.5, accumulating: true)
            let halfAdded = zip(expected, start).map { $0 / 2 + Double($1) }
            #expect(relativeError(of: byLibrary.map(Double.init), from: halfAdded) < 1e-6)

            var added = start
            MatrixProduct.compute(left, right, into: &added, accumulating: true)
            let sum = zip(expected, start).map { $0 + Double($1) }
            #expect(relativeError(of: added.map(Double.init), from: sum) < 1e-6)

            var unscaled = [Float](repeating: .nan, count: m * n)
            MatrixProduct.compute(left, right, into: &unscaled)
            #expect(relativeError(of: unscaled.map(Double.init), from: expected) < 1e-6)
          }
        }
      }
    }
  }

  /// A part of a larger matrix, to a part of a larger one: what lies around stays.
  @Test func parts() {
    let (a, b) = (normalValues(4 * 9, seed: 1), normalValues(5 * 8, seed: 2))
    var output = [Float](repeating: -1, count: 4 * 10)
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        output.withUnsafeMutableBufferPointer {
          MatrixProduct.compute(
            Matrix(a.baseAddress! + 2, rows: 4, columns: 5, stride: 9),
            Matrix(b.baseAddress! + 1, rows: 5, columns: 6, stride: 8), into: $0.baseAddress! + 3, stride: 10)
        }
      }
    }
    for row in 0..<4 {
      for column in 0..<10 {
        let value = output[row * 10 + column]
        guard (3..<9).contains(column) else {
          #expect(value == -1)
          continue
        }
        let expected = (0..<5).reduce(0) {
          $0 + Double(a[row * 9 + 2 + $1]) * Double(b[$1 * 8 + 1 + column - 3])
        }
        #expect(abs(Double(value) - expected) < 1e-5)
      }
    }
  }

  /// An element has the same bits whatever is computed with it: columns are divided by the number of threads.
  @Test(
    arguments: [(77, false), (77, true), (300, false), (300, true), (1201, false), (1201, true)],
    ProductPrecision.allCases)
  func howAProductIsDividedDoesNotChangeBits(
    product: (depth: Int, accumulating: Bool), precision: ProductPrecision
  ) {
    let (m, k, n) = (130, product.depth, 102)
    let (a, b, start) = (
      normalValues(m * k, seed: 1), normalValues(k * n, seed: 2), normalValues(m * n, seed: 3)
    )
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        func compute(_ rows: Range<Int>, _ columns: Range<Int>, _ output: UnsafeMutablePointer<Float>) {
          MatrixProduct.compute(
            Matrix(a.baseAddress! + rows.lowerBound * k, rows: rows.count, columns: k),
            Matrix(b.baseAddress! + columns.lowerBound, rows: k, columns: columns.count, stride: n),
            into: output + (rows.lowerBound * n + columns.lowerBound), stride: n,
            accumulating: product.accumulating, precision: precision)
        }
        var (whole, parts) = (start, start)
        compute(0..<m, 0..<n, &whole)
        // Narrower than a vector, a vector with a rest, several blocks, and what remains.
        for rows in [0..<3, 3..<37, 37..<m] {
          for columns in [0..<5, 5..<37, 37..<48, 48..<96, 96..<n] { compute(rows, columns, &parts) }
        }
        #expect(bitPatterns(whole) == bitPatterns(parts))
      }
    }
  }
}
