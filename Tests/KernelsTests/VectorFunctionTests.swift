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
