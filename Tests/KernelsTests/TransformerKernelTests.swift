import Foundation
import Kernels
import NumericsTestSupport
import Testing

/// Kernels of transformers and their losses, against double precision.
@Suite struct TransformerKernelTests {
  private func filled(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    var values = [Float](repeating: .nan, count: count)
    values.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    return values
  }

  private func gelu(_ x: Double) -> (value: Double, slope: Double) {
    let distribution = erfc(-x / 2.0.squareRoot()) / 2
    return (x * distribution, distribution + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot())
  }

  @Test(arguments: [(1, 1), (3, 16), (70, 37), (500, 100)]) func gatedGELU(rows: Int, width: Int) {
    let kernel = GatedGELU(rows: rows, width: width)
    let (x, dy) = (normalValues(2 * rows * width, seed: 1), normalValues(rows * width, seed: 2))
    let pool = ThreadPool(threadCount: 2)
    let y = filled(rows * width) { kernel.forward(x, output: $0, pool: pool) }
    let dx = filled(2 * rows * width) {
      kernel.backward(x, outputGradient: dy, inputGradient: $0, pool: pool)
    }
    var (expected, gradient) = ([Double](), [Double](repeating: 0, count: x.count))
    for index in 0..<rows * width {
      let place = index / width * 2 * width + index % width
      let (a, g) = (Double(x[place]), gelu(Double(x[place + width])))
      expected.append(a * g.value)
      gradient[place] = Double(dy[index]) * g.value
      gradient[place + width] = Double(dy[index]) * a * g.slope
    }
    #expect(relativeError(of: y.map(Double.init), from: expected) < 1e-6)
    #expect(relativeError(of: dx.map(Double.init), from: gradient) < 1e-6)
  }

  @Test(arguments: [(1, 5), (3, 16), (700, 37)]) func unitRows(rows: Int, columns: Int) {
    let (x, dy) = (normalValues(rows * columns, seed: 1), normalValues(rows * columns, seed: 2))
    let pool = ThreadPool(threadCount: 2)
    var lengths = [Float](repeating: .nan, count: rows)
    let y = filled(x.count) {
      UnitRows.forward(x, rows: rows, columns: columns, output: $0, lengths: &lengths, pool: pool)
    }
    let dx = filled(x.count) {
      UnitRows.backward(
        y, lengths: lengths, outputGradient: dy, rows: rows, columns: columns, inputGradient: $0, pool: pool)
    }
    var (expected, gradient) = ([Double](), [Double]())
    for row in 0..<rows {
      let range = row * columns..<(row + 1) * columns
      let (x, dy) = (x[range].map(Double.init), dy[range].map(Double.init))
      let length = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let dot = zip(x, dy).reduce(0) { $0 + $1.0 * $1.1 } / (length * length)
      expected += x.map { $0 / length }
      gradient += zip(x, dy).map { ($1 - $0 * dot) / length }
    }
    #expect(relativeError(of: y.map(Double.init), from: expected) < 1e-6)
    #expect(relativeError(of: dx.map(Double.init), from: gradient) < 1e-6)
  }

  @Test(arguments: [(1, 1), (5, 16), (100, 137)]) func crossEntropy(rows: Int, columns: Int) {
    // Logits as large as a trained temperature makes them.
    let x = normalValues(rows * columns, seed: 1).map { 30 * $0 }
    let labels = (0..<rows).map { $0 * 7 % columns }
    let pool = ThreadPool(threadCount: 2)
    var probabilities = [Float](repeating: .nan, count: x.count)
    let loss = SoftmaxCrossEntropy.forward(
      x, columns: columns, labels: labels, probabilities: &probabilities, pool: pool)
    let dx = filled(x.count) {
      SoftmaxCrossEntropy.backward(
        probabilities, columns: columns, labels: labels, scale: 2, inputGradient: $0, pool: pool)
    }
    var (expected, gradient) = (0.0, [Double]())
    for row in 0..<rows {
      let x = x[row * columns..<(row + 1) * columns].map(Double.init)
      let largest = x.reduce(-.infinity, max)
      let total = x.reduce(0) { $0 + exp($1 - largest) }
      expected += (largest + log(total) - x[labels[row]]) / Double(rows)
      gradient += x.indices.map {
        2 / Double(rows) * (exp(x[$0] - largest) / total - ($0 == labels[row] ? 1 : 0))
      }
    }
    #expect(abs(loss - expected) < 1e-6 * max(expected, 1))
    // Of one class there is nothing to learn.
    #expect(columns == 1 ? dx == [0] : relativeError(of: dx.map(Double.init), from: gradient) < 2e-6)
  }

  /// A large logit is no overflow.
  @Test func crossEntropyOfHugeLogits() {
    var probabilities = [Float](repeating: .nan, count: 3)
    let loss = SoftmaxCrossEntropy.forward(
      [1e30, 0, -1e30], columns: 3, labels: [0], probabilities: &probabilities,
      pool: ThreadPool(threadCount: 1))
    #expect(loss == 0 && probabilities.allSatisfy { $0.isFinite })
  }

  @Test(arguments: [(1, 1, 1), (3, 5, 7), (70, 33, 130), (300, 260, 40)])
  func transposedProduct(m: Int, n: Int, c: Int) {
    let product = TransposedProduct(leftRows: m, rightRows: n, columns: c)
    let (a, b, dy) = (
      normalValues(m * c, seed: 1), normalValues(n * c, seed: 2), normalValues(m * n, seed: 3)
    )
    let pool = ThreadPool(threadCount: 2)
    let y = filled(m * n) { product.forward(a, b, output: $0, pool: pool) }
    var db = [Float](repeating: .nan, count: n * c)
    let da = filled(m * c) { da in
      db.withUnsafeMutableBufferPointer {
        product.backward(
          a, b, outputGradient: dy, leftGradient: da, rightGradient: $0.baseAddress, pool: pool)
      }
    }
    var (expected, left, right) = (
      [Double](repeating: 0, count: m * n), [Double](repeating: 0, count: m * c),
      [Double](repeating: 0, count: n * c)
    )
    for i in 0..<m {
      for j in 0..<n {
        for k in 0..<c {
          let (x, z, d) = (Double(a[i * c + k]), Double(b[j * c + k]), Double(dy[i * n + j]))
          expected[i * n + j] += x * z
          left[i * c + k] += d * z
          right[j * c + k] += d * x
        }
      }
    }
    #expect(relativeError(of: y.map(Double.init), from: expected) < 1e-6)
    #expect(relativeError(of: da.map(Double.init), from: left) < 1e-6)
    #expect(relativeError(of: db.map(Double.init), from: right) < 1e-6)
  }

  @Test(arguments: [0, 1, 7, 65_536, 200_001]) func sums(count: Int) {
    let (a, b) = (normalValues(count, seed: 1), normalValues(count, seed: 2))
    let results = comparedThreadCounts.map { threads in
      let pool = ThreadPool(threadCount: threads)
      return [
        Reduction.sum(a, count: count, pool: pool), Reduction.sum(a, times: b, count: count, pool: pool),
      ]
    }
    #expect(results.allSatisfy { $0 == results[0] })
    #expect(abs(results[0][0] - a.reduce(0) { $0 + Double($1) }) < 1e-9)
    #expect(abs(results[0][1] - zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }) < 1e-9)
  }

  /// Rows that are taken several times get all of their gradients, in the order in which they were taken.
  @Test(arguments: [1, 64, 200]) func tableRows(width: Int) {
    let table = normalValues(5 * width, seed: 1)
    let indices: [Int?] = [3, nil, 0, 3, 3, 4]
    let dy = normalValues(indices.count * width, seed: 2)
    for threads in comparedThreadCounts {
      let pool = ThreadPool(threadCount: threads)
      let output = filled(indices.count * width) {
        TableRows.gather(table, width: width, indices: indices, output: $0, pool: pool)
      }
      var sum = normalValues(5 * width, seed: 3)
      var expected = sum
      TableRows.addGradient(dy, width: width, indices: indices, to: &sum, pool: pool)
      for (place, row) in indices.enumerated() {
        for column in 0..<width {
          let value = output[place * width + column]
          guard let row else {
            #expect(value == 0)
            continue
          }
          #expect(value == table[row * width + column])
          expected[row * width + column] += dy[place * width + column]
        }
      }
      #expect(sum == expected)
    }
  }
}
