import Foundation
import Kernels
import NumericsTestSupport
import Testing

/// Sizes and activation of one linear transform, with values for all that goes in.
struct LinearCase: CustomTestStringConvertible, Sendable {
  let rows, inputs, outputs: Int
  var activation = LinearTransform.Activation.none
  var precision = ProductPrecision.float32
  /// Whether tasks share packed weights, where that is of use.
  var isPacked = true

  var testDescription: String { "\(rows)x\(inputs) -> \(outputs), \(activation), \(precision)" }

  var transform: LinearTransform {
    LinearTransform(
      rows: rows, inputs: inputs, outputs: outputs, activation: activation, precision: precision)
  }

  /// The same case with factors of bfloat16.
  var rounded: LinearCase {
    var rounded = self
    rounded.precision = .bf16
    return rounded
  }

  private func withPacking(_ body: (UnsafeMutablePointer<Float>?) -> Void) {
    var memory = [Float](repeating: .nan, count: transform.packedWeightCount)
    memory.withUnsafeMutableBufferPointer { body(isPacked && !$0.isEmpty ? $0.baseAddress : nil) }
  }

  var x: [Float] { normalValues(rows * inputs, seed: 1) }
  var weights: [Float] { normalValues(inputs * outputs, seed: 2).map { $0 / Float(inputs).squareRoot() } }
  var bias: [Float] { normalValues(outputs, seed: 3) }
  var outputGradient: [Float] { normalValues(rows * outputs, seed: 4) }
  var firstWeightGradient: [Float] { normalValues(inputs * outputs, seed: 5) }
  var firstBiasGradient: [Float] { normalValues(outputs, seed: 6) }

  /// y, and what `backward` wants of the forward pass.
  func forward(_ pool: ThreadPool, recording: Bool) -> (output: [Float], activationInput: [Float]) {
    var output = [Float](repeating: .nan, count: rows * outputs)
    var activationInput = output
    activationInput.withUnsafeMutableBufferPointer { activationInput in
      withPacking { packing in
        transform.forward(
          x, weights: weights, bias: bias,
          activationInput: recording && activation != .none ? activationInput.baseAddress : nil,
          output: &output, packing: packing, pool: pool)
      }
    }
    return (output, activationInput)
  }

  /// dx and the gradients of weights and bias, one after the other.
  func gradients(_ pool: ThreadPool) -> [Float] {
    var activationInput = forward(pool, recording: true).activationInput
    var dx = [Float](repeating: .nan, count: rows * inputs)
    var (dw, db) = (firstWeightGradient, firstBiasGradient)
    dw.withUnsafeMutableBufferPointer { dw in
      withPacking { packing in
        transform.backward(
          x, weights: weights, activationInput: &activationInput, outputGradient: outputGradient,
          inputGradient: &dx, weightGradient: .adding(to: dw.baseAddress!), biasGradient: &db,
          packing: packing, pool: pool)
      }
    }
    return dx + dw + db
  }

  /// The same in double precision.
  var exact: (output: [Double], gradients: [Double]) {
    let (x, w, dy) = (x.map(Double.init), weights.map(Double.init), outputGradient.map(Double.init))
    var dx = [Double](repeating: 0, count: x.count)
    var (dw, db) = (firstWeightGradient.map(Double.init), firstBiasGradient.map(Double.init))
    var y: [Double] = []
    for row in 0..<rows {
      for output in 0..<outputs {
        let u = (0..<inputs).reduce(Double(bias[output])) {
          $0 + x[row * inputs + $1] * w[$1 * outputs + output]
        }
        let (value, slope) = activate(u)
        y.append(value)
        let du = slope * dy[row * outputs + output]
        db[output] += du
        for input in 0..<inputs {
          dx[row * inputs + input] += du * w[input * outputs + output]
          dw[input * outputs + output] += du * x[row * inputs + input]
        }
      }
    }
    return (y, dx + dw + db)
  }

  private func activate(_ u: Double) -> (value: Double, slope: Double) {
    switch activation {
    case .none: return (u, 1)
    case .gelu:
      let distribution = erfc(-u / 2.0.squareRoot()) / 2
      return (u * distribution, distribution + u * exp(-u * u / 2) / (2 * Double.pi).squareRoot())
    case .tanhGELU:
      let c = (2 / Double.pi).squareRoot()
      let t = tanh(c * (u + 0.044715 * u * u * u))
      return (u * (1 + t) / 2, (1 + t) / 2 + u * (1 - t * t) / 2 * c * (1 + 3 * 0.044715 * u * u))
    case .quickGELU: return scaledSigmoid(u, 1.702)
    case .silu: return scaledSigmoid(u, 1)
    }
  }

  /// u sigmoid(c u).
  private func scaledSigmoid(_ u: Double, _ c: Double) -> (value: Double, slope: Double) {
    let s = 1 / (1 + exp(-c * u))
    return (u * s, s + c * u * s * (1 - s))
  }

  static let all: [LinearCase] = [
    .init(rows: 1, inputs: 1, outputs: 1),
    .init(rows: 1, inputs: 40, outputs: 3, activation: .gelu),
    .init(rows: 5, inputs: 7, outputs: 16, activation: .tanhGELU),
    .init(rows: 9, inputs: 20, outputs: 33, activation: .quickGELU),
    .init(rows: 70, inputs: 9, outputs: 17, activation: .silu),
    .init(rows: 63, inputs: 33, outputs: 65, activation: .gelu),
    // Several tiles of rows and columns, in the product and in the weights' gradient.
    .init(rows: 150, inputs: 140, outputs: 800, activation: .tanhGELU),
    .init(rows: 67, inputs: 800, outputs: 20),
    // Several sums over rows.
    .init(rows: 1100, inputs: 12, outputs: 24),
    .init(rows: 6000, inputs: 3, outputs: 5, activation: .gelu),
    // Weights that are worth packing for all tasks: several parts of their depth, both ways, and parts of panels.
    .init(rows: 300, inputs: 301, outputs: 77, activation: .silu),
    .init(rows: 530, inputs: 45, outputs: 1030),
  ]
}

@Suite struct LinearTransformTests {
  @Test(arguments: LinearCase.all) func matchesDoublePrecision(_ c: LinearCase) {
    let pool = ThreadPool(threadCount: 2)
    let (output, gradients) = c.exact
    for recording in [false, true] {
      #expect(
        relativeError(of: c.forward(pool, recording: recording).output.map(Double.init), from: output) < 2e-6)
    }
    #expect(relativeError(of: c.gradients(pool).map(Double.init), from: gradients) < 2e-6)
  }

  @Test(arguments: LinearCase.all.map(\.rounded)) func roundedFactorsAreClose(_ c: LinearCase) {
    let pool = ThreadPool(threadCount: 2)
    let (output, gradients) = c.exact
    #expect(
      relativeError(of: c.forward(pool, recording: true).output.map(Double.init), from: output) < 5e-3)
    #expect(relativeError(of: c.gradients(pool).map(Double.init), from: gradients) < 5e-3)
  }

  @Test(arguments: LinearCase.all + LinearCase.all.map(\.rounded))
  func packingDoesNotChangeBits(_ c: LinearCase) {
    var unpacked = c
    unpacked.isPacked = false
    let pool = ThreadPool(threadCount: 2)
    #expect(
      bitPatterns(c.forward(pool, recording: false).output)
        == bitPatterns(unpacked.forward(pool, recording: false).output))
    #expect(bitPatterns(c.gradients(pool)) == bitPatterns(unpacked.gradients(pool)))
  }

  @Test(arguments: LinearCase.all + LinearCase.all.map(\.rounded))
  func threadsDoNotChangeBits(_ c: LinearCase) {
    let outputs = bitsByThreadCount { c.forward($0, recording: false).output }
    #expect(outputs.allSatisfy { $0 == outputs[0] })
    let gradients = bitsByThreadCount { c.gradients($0) }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
  }
}
