import Foundation
import Kernels
import NumericsTestSupport
import Testing

/// Counts with and without whole vectors, and of several pieces.
private let counts = [1, 15, 16, 17, 100, 16_384, 40_001]

@Suite struct ElementwiseTests {
  private func filled(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    var values = [Float](repeating: .nan, count: count)
    values.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    return values
  }

  @Test(arguments: counts) func addition(count: Int) {
    let (a, b) = (normalValues(count, seed: 1), normalValues(count, seed: 2))
    for threads in comparedThreadCounts {
      let pool = ThreadPool(threadCount: threads)
      #expect(
        filled(count) { Elementwise.add(a, b, output: $0, count: count, pool: pool) } == zip(a, b).map(+))
      var inPlace = a
      inPlace.withUnsafeMutableBufferPointer {
        Elementwise.add($0.baseAddress!, b, output: $0.baseAddress!, count: count, pool: pool)
      }
      #expect(inPlace == zip(a, b).map(+))
    }
  }

  private typealias Map = (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int, ThreadPool) -> Void

  /// Compares `map` with `exact`, relative to the largest of value and `floor`, and its bits between thread counts.
  private func check(_ map: Map, _ exact: (Double) -> Double, bound: Double) {
    for count in counts {
      let x = normalValues(count, seed: 3).map { 3 * $0 }
      let results = bitsByThreadCount { pool in filled(count) { map(x, $0, count, pool) } }
      #expect(results.allSatisfy { $0 == results[0] }, "\(count)")
      for (x, bits) in zip(x, results[0]) {
        let expected = exact(Double(x))
        let error = abs(Double(Float(bitPattern: bits)) - expected)
        guard error <= bound * max(abs(expected), 0.05) else {
          Issue.record("\(count): \(Float(bitPattern: bits)) at \(x), expected \(expected)")
          return
        }
      }
    }
    let special: [Float] = [0, -0.0, .nan, 80, -80, 1e30, -1e30]
    let values = filled(7) { map(special, $0, 7, ThreadPool(threadCount: 1)) }
    #expect(values[2].isNaN)
    for (x, value) in zip(special, values) where !x.isNaN {
      #expect(abs(Double(value) - exact(Double(x))) <= 1e-6 * max(1, abs(exact(Double(x)))), "at \(x)")
    }
  }

  @Test func relu() {
    check({ Elementwise.relu($0, output: $1, count: $2, pool: $3) }, { max($0, 0) }, bound: 0)
  }

  /// Nothing passes at 0 either, as PyTorch has it.
  @Test func reluGradient() {
    let x: [Float] = [-1, -0.0, 0, 1e-30, 2] + normalValues(30, seed: 3)
    let dy = normalValues(x.count, seed: 4)
    let pool = ThreadPool(threadCount: 1)
    let dx = filled(x.count) {
      Elementwise.reluGradient(x, outputGradient: dy, inputGradient: $0, count: x.count, pool: pool)
    }
    #expect(dx == zip(x, dy).map { $0 > 0 ? $1 : 0 })
  }

  @Test func silu() {
    check({ Elementwise.silu($0, output: $1, count: $2, pool: $3) }, { $0 / (1 + exp(-$0)) }, bound: 1e-6)
  }

  @Test func siluGradient() {
    check(
      { x, output, count, pool in
        Elementwise.siluGradient(
          x, outputGradient: [Float](repeating: 1, count: count), inputGradient: output, count: count,
          pool: pool)
      },
      { x in
        let s = 1 / (1 + exp(-x))
        return s + x * s * (1 / (1 + exp(x)))
      }, bound: 1e-5)
  }

  @Test func gelu() {
    check(
      { Elementwise.gelu($0, output: $1, count: $2, pool: $3) }, { $0 * 0.5 * erfc(-$0 / 2.0.squareRoot()) },
      bound: 5e-6)
  }

  @Test func geluGradient() {
    check(
      { x, output, count, pool in
        Elementwise.geluGradient(
          x, outputGradient: [Float](repeating: 1, count: count), inputGradient: output, count: count,
          pool: pool)
      },
      { x in 0.5 * erfc(-x / 2.0.squareRoot()) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot() },
      bound: 5e-6)
  }

  private typealias Gradient = (
    UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int, ThreadPool
  ) -> Void

  private func check(_ gradient: @escaping Gradient, slope: (Double) -> Double, bound: Double) {
    check(
      { x, output, count, pool in
        gradient(x, [Float](repeating: 1, count: count), output, count, pool)
      }, slope, bound: bound)
  }

  @Test func quickGELU() {
    check(Elementwise.quickGELU, { $0 / (1 + exp(-1.702 * $0)) }, bound: 2e-6)
    check(
      Elementwise.quickGELUGradient,
      slope: { x in
        let s = 1 / (1 + exp(-1.702 * x))
        return s + 1.702 * x * s * (1 / (1 + exp(1.702 * x)))
      }, bound: 1e-5)
  }

  @Test func tanhGELU() {
    let c = (2 / Double.pi).squareRoot()
    // By the sigmoid, which keeps its digits where the hyperbolic tangent is near -1.
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-2 * c * (x + 0.044715 * x * x * x))) }
    check(Elementwise.tanhGELU, { $0 * sigmoid($0) }, bound: 5e-6)
    check(
      Elementwise.tanhGELUGradient,
      slope: { x in
        let s = sigmoid(x)
        return s + (s == 0 ? 0 : x * s * (1 - s) * 2 * c * (1 + 3 * 0.044715 * x * x))
      }, bound: 1e-5)
  }

  @Test func exponential() {
    let x = normalValues(1000, seed: 3).map { 10 * $0 }
    let y = filled(1000) {
      Elementwise.exponential(x, output: $0, count: 1000, pool: ThreadPool(threadCount: 2))
    }
    for (x, y) in zip(x, y) { #expect(abs(Double(y) / exp(Double(x)) - 1) < 3e-7) }
  }

  @Test func clamping() {
    let x: [Float] = [-3, -2, -1, 0, 1, 2, 3, .nan] + normalValues(30, seed: 3).map { 3 * $0 }
    let dy = normalValues(x.count, seed: 4)
    let pool = ThreadPool(threadCount: 1)
    let y = filled(x.count) { Elementwise.clamp(x, to: -2...1, output: $0, count: x.count, pool: pool) }
    let dx = filled(x.count) {
      Elementwise.clampGradient(
        x, to: -2...1, outputGradient: dy, inputGradient: $0, count: x.count, pool: pool)
    }
    for index in x.indices where !x[index].isNaN {
      #expect(y[index] == min(max(x[index], -2), 1))
      #expect(dx[index] == ((-2...1).contains(x[index]) ? dy[index] : 0))
    }
    #expect(y[7].isNaN)
  }

  @Test(arguments: counts) func arithmetic(count: Int) {
    let (a, b) = (normalValues(count, seed: 1), normalValues(count, seed: 2))
    for threads in comparedThreadCounts {
      let pool = ThreadPool(threadCount: threads)
      #expect(
        filled(count) { Elementwise.subtract(a, b, output: $0, count: count, pool: pool) }
          == zip(a, b).map(-))
      #expect(
        filled(count) { Elementwise.multiply(a, b, output: $0, count: count, pool: pool) }
          == zip(a, b).map(*))
      #expect(
        filled(count) {
          Elementwise.scale(a, by: 3, adding: 0.5, output: $0, count: count, pool: pool)
        } == a.map { 3 * $0 + 0.5 })
    }
  }

  /// The output's gradient is a factor of each element's.
  @Test func gradientsScale() {
    let (x, dy) = (normalValues(50, seed: 1), normalValues(50, seed: 2))
    let ones = [Float](repeating: 1, count: 50)
    let pool = ThreadPool(threadCount: 1)
    for gradient in [Elementwise.siluGradient, Elementwise.geluGradient, Elementwise.reluGradient] {
      let plain = filled(50) { gradient(x, ones, $0, 50, pool) }
      let scaled = filled(50) { gradient(x, dy, $0, 50, pool) }
      #expect(relativeError(of: scaled, from: zip(plain, dy).map(*)) < 1e-6)
    }
  }
}
