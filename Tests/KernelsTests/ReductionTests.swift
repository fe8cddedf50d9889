import Kernels
import NumericsTestSupport
import Testing

@Suite struct ReductionTests {
  @Test(arguments: [(1, 1), (3, 7), (511, 28), (512, 16), (513, 33), (5000, 3)])
  func columnSums(rows: Int, columns: Int) {
    let values = normalValues(rows * columns, seed: 1)
    let start = normalValues(columns, seed: 2)
    let expected = (0..<columns).map { column in
      (0..<rows).reduce(Double(start[column])) { $0 + Double(values[$1 * columns + column]) }
    }
    let results = bitsByThreadCount { pool in
      var sums = start
      Reduction.addColumnSums(values, rows: rows, columns: columns, to: &sums, pool: pool)
      return sums
    }
    #expect(results.allSatisfy { $0 == results[0] })
    #expect(relativeError(of: results[0].map { Double(Float(bitPattern: $0)) }, from: expected) < 2e-6)
  }

  @Test(arguments: [0, 1, 7, 8, 9, 65_535, 65_536, 65_537, 300_003]) func sumOfSquares(count: Int) {
    let values = normalValues(count, seed: 1)
    let expected = values.reduce(0) { $0 + Double($1) * Double($1) }
    let sums = comparedThreadCounts.map {
      Reduction.sumOfSquares(values, count: count, pool: ThreadPool(threadCount: $0))
    }
    #expect(sums.allSatisfy { $0 == sums[0] })
    #expect(abs(sums[0] - expected) <= 1e-12 * expected)
  }

  /// Beyond what float32 squares hold.
  @Test func squaresDoNotOverflow() {
    let sum = Reduction.sumOfSquares(
      [Float](repeating: 1e30, count: 10), count: 10, pool: ThreadPool(threadCount: 1))
    #expect(abs(sum - 1e61) < 1e55)
  }

  @Test(arguments: [1, 15, 16, 17, 65_536, 65_537, 200_001]) func largestMagnitude(count: Int) {
    let values = normalValues(count, seed: 1)
    func largest(_ values: [Float]) -> [Float] {
      comparedThreadCounts.map {
        Reduction.largestMagnitude(values, count: count, pool: ThreadPool(threadCount: $0))
      }
    }
    #expect(Set(largest(values)) == [values.map(abs).max()])
    for place in [0, count / 2, count - 1] {
      for value in [Float.infinity, -Float.infinity, -1e30] {
        var changed = values
        changed[place] = value
        #expect(Set(largest(changed)) == [abs(value)])
      }
      var changed = values
      changed[place] = .nan
      changed[count - 1 - place] = place == count - 1 - place ? .nan : .infinity
      let found = largest(changed)
      #expect(found.allSatisfy { $0.isNaN })
    }
  }

  @Test func nothingHasNoMagnitude() {
    #expect(Reduction.largestMagnitude([], count: 0, pool: ThreadPool(threadCount: 1)) == 0)
  }
}
