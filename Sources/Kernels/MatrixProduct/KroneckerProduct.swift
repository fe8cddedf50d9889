/// The Kronecker product of two weights: every element of one times every element of the other.
///
/// For a first factor [C1, K1] and a second factor [taps, C2, K2] it is [taps, C1 C2, K1 K2], inputs before outputs:
/// output[t, c C2 + d, a K2 + b] = first[c, a] second[t, d, b].
public struct KroneckerProduct: Sendable {
  public let taps: Int
  public let firstInputs: Int
  public let firstOutputs: Int
  public let secondInputs: Int
  public let secondOutputs: Int

  public init(taps: Int, firstInputs: Int, firstOutputs: Int, secondInputs: Int, secondOutputs: Int) {
    precondition(
      taps > 0 && firstInputs > 0 && firstOutputs > 0 && secondInputs > 0 && secondOutputs > 0,
      "[\(firstInputs), \(firstOutputs)] times [\(taps), \(secondInputs), \(secondOutputs)]")
    self.taps = taps
    self.firstInputs = firstInputs
    self.firstOutputs = firstOutputs
    self.secondInputs = secondInputs
    self.secondOutputs = secondOutputs
  }

  public var inputs: Int { firstInputs * secondInputs }
  public var outputs: Int { firstOutputs * secondOutputs }

  public func forward(
    _ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    pool.parallel(taps * inputs) { row, _ in
      let (tap, input) = (row / inputs, row % inputs)
      let (c, d) = (input / secondInputs, input % secondInputs)
      let factors = first + c * firstOutputs
      let source = second + (tap * secondInputs + d) * secondOutputs
      var target = output + row * outputs
      for a in 0..<firstOutputs {
        let factor = factors[a]
        for b in 0..<secondOutputs { target[b] = factor * source[b] }
        target += secondOutputs
      }
    }
  }

  /// Accumulates the gradient of the first factor.
  public func addFirstGradient(
    _ second: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    to gradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallel(firstInputs * firstOutputs) { place, worker in
      let (c, a) = (place / firstOutputs, place % firstOutputs)
      // Sums for each of the second factor's outputs, then over them.
      let sums = pool.scratch(secondOutputs, worker: worker)
      sums.update(repeating: 0, count: secondOutputs)
      for tap in 0..<taps {
        for d in 0..<secondInputs {
          let source = second + (tap * secondInputs + d) * secondOutputs
          let dy =
            outputGradient + (tap * inputs + c * secondInputs + d) * outputs + a * secondOutputs
          for b in 0..<secondOutputs { sums[b] += source[b] * dy[b] }
        }
      }
      var sum: Float = 0
      for b in 0..<secondOutputs { sum += sums[b] }
      gradient[place] += sum
    }
  }

  /// Accumulates the gradient of the second factor.
  public func addSecondGradient(
    _ first: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    to gradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallel(taps * secondInputs) { row, _ in
      let (tap, d) = (row / secondInputs, row % secondInputs)
      let target = gradient + row * secondOutputs
      for c in 0..<firstInputs {
        var dy = outputGradient + (tap * inputs + c * secondInputs + d) * outputs
        for a in 0..<firstOutputs {
          let factor = first[c * firstOutputs + a]
          for b in 0..<secondOutputs { target[b] += factor * dy[b] }
          dy += secondOutputs
        }
      }
    }
  }
}
