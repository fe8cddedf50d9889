import Foundation
import Kernels
import Testing

/// The bounds that `Vector+Functions.swift` states.
@Suite struct VectorFunctionTests {
  /// The largest relative error of `function` over every `step`-th float of `range`, of either sign.
  private func largestError(
    _ range: ClosedRange<Float>, step: UInt32 = 61, _ function: (Vector) -> Vector,
    _ exact: (Double) -> Double
  ) -> (error: Double, at: Float) {
    var worst = (error: 0.0, at: Float(0))
    let largest = max(abs(range.lowerBound), abs(range.upperBound)).bitPattern
    var bits: UInt32 = 0
    while bits <= largest {
      var x = Vector()
      for lane in 0..<16 {
        let magnitude = Float(bitPattern: min(bits + UInt32(lane / 2) * step, largest))
        let value = lane % 2 == 0 ? magnitude : -magnitude
        x[lane] = min(max(value, range.lowerBound), range.upperBound)
      }
      let y = function(x)
      for lane in 0..<16 {
        let expected = exact(Double(x[lane]))
        let error = abs(Double(y[lane]) - expected) / expected
        if !(error <= worst.error) { worst = (error, x[lane]) }
      }
      bits += 8 * step
    }
    return worst
  }

  @Test func exponential() {
    let worst = largestError(-87.3...88.3, { $0.exponential }, exp)
    #expect(worst.error < 2e-7, "at \(worst.at)")
  }

  @Test func sigmoid() {
    let worst = largestError(-87.3...Float.greatestFiniteMagnitude, { $0.sigmoid }, { 1 / (1 + exp(-$0)) })
    #expect(worst.error < 4e-7, "at \(worst.at)")
  }

  /// The largest error of `function` at multiples of 1/512 from -20 to 20, relative to 1 or x, whichever is larger.
  private func largestAbsoluteError(_ function: (Vector) -> Vector, _ exact: (Double) -> Double) -> (
    error: Double, at: Float
  ) {
    var worst = (error: 0.0, at: Float(0))
    for step in stride(from: -20 * 512, to: 20 * 512, by: Vector.scalarCount) {
      var x = Vector()
      for lane in 0..<Vector.scalarCount { x[lane] = Float(step + lane) / 512 }
      let y = function(x)
      for lane in 0..<Vector.scalarCount {
        let error = abs(Double(y[lane]) - exact(Double(x[lane]))) / Double(max(1, abs(x[lane])))
        if !(error <= worst.error) { worst = (error, x[lane]) }
      }
    }
    return worst
  }

  @Test func normalDistribution() {
    let worst = largestAbsoluteError(
      { $0.normalDistribution.distribution }, { erfc(-$0 / 2.0.squareRoot()) / 2 })
    #expect(worst.error < 3e-7, "at \(worst.at)")
    #expect(Vector(repeating: -.infinity).normalDistribution.distribution[3] < 1e-37)
    #expect(Vector(repeating: .infinity).normalDistribution.distribution[3] == 1)
    #expect(Vector(repeating: .nan).normalDistribution.distribution[3].isNaN)
  }

  @Test func gelu() {
    func distribution(_ x: Double) -> Double { erfc(-x / 2.0.squareRoot()) / 2 }
    let value = largestAbsoluteError({ $0.gelu }, { $0 * distribution($0) })
    #expect(value.error < 3e-7, "at \(value.at)")
    let slope = largestAbsoluteError(
      { $0.geluSlope }, { distribution($0) + $0 * exp(-$0 * $0 / 2) / (2 * Double.pi).squareRoot() })
    #expect(slope.error < 5e-7, "at \(slope.at)")
  }

  @Test func tanhGELU() {
    let c = (2 / Double.pi).squareRoot()
    func t(_ x: Double) -> Double { tanh(c * (x + 0.044715 * x * x * x)) }
    let value = largestAbsoluteError({ $0.tanhGELU }, { $0 * (1 + t($0)) / 2 })
    #expect(value.error < 3e-7, "at \(value.at)")
    let slope = largestAbsoluteError(
      { $0.tanhGELUSlope },
      { (1 + t($0)) / 2 + $0 * (1 - t($0) * t($0)) / 2 * c * (1 + 3 * 0.044715 * $0 * $0) })
    #expect(slope.error < 1e-6, "at \(slope.at)")
    for (x, expected) in [(1e30, 1e30), (-1e30, 0), (100, 100), (-100, 0)] as [(Float, Float)] {
      #expect(abs(Vector(repeating: x).tanhGELU[5] - expected) < 1e-6)
      #expect(abs(Vector(repeating: x).tanhGELUSlope[5] - (x > 0 ? 1 : 0)) < 1e-6)
    }
    #expect(Vector(repeating: .nan).tanhGELU[0].isNaN && Vector(repeating: .nan).tanhGELUSlope[0].isNaN)
  }

  @Test func extremes() {
    func exponential(_ x: Float) -> Float { Vector(repeating: x).exponential[7] }
    func sigmoid(_ x: Float) -> Float { Vector(repeating: x).sigmoid[7] }
    #expect(exponential(0) == 1)
    #expect(exponential(-0.0) == 1)
    #expect(exponential(.leastNonzeroMagnitude) == 1)
    for below: Float in [-87.4, -1000, -.greatestFiniteMagnitude, -.infinity] {
      #expect(exponential(below) == exponential(-87.3))
    }
    for above: Float in [88.4, 1000, .greatestFiniteMagnitude, .infinity] {
      #expect(exponential(above) == exponential(88.3))
      #expect(exponential(above).isFinite)
    }
    #expect(exponential(.nan).isNaN)
    #expect(sigmoid(0) == 0.5)
    #expect(sigmoid(.infinity) == 1)
    #expect(sigmoid(100) == 1)
    for below: Float in [-87.4, -88.3, -1000, -.infinity] {
      #expect(sigmoid(below) > 0 && sigmoid(below) < 1e-37)
    }
    #expect(sigmoid(.nan).isNaN)
  }

  /// A NaN stays in its lane.
  @Test func lanesAreIndependent() {
    var x = Vector(repeating: 1)
    x[3] = .nan
    let y = x.exponential
    #expect((0..<16).allSatisfy { $0 == 3 ? y[$0].isNaN : y[$0] == y[0] })
  }
}
