import Kernels
import NumericsTestSupport
import Tensors

/// Compares the gradients of an operation with differences of its values.
///
/// The operation is made a number by random weights w: L = Σ w y, summed in double precision. Along a direction d of
/// one input, dL = Σ g d must be (8 (L(h) - L(-h)) - (L(2h) - L(-2h))) / 12 h, up to h⁴. Values are multiples of
/// 2^-10, directions are of ±1 and 0, and h is a power of two, so that x + h d is exact in float32.
struct GradientCheck {
  typealias Operation = @Sendable (_ inputs: [Tensor]) -> Tensor

  let values: [[Float]]
  let shapes: [[Int]]
  let operation: Operation

  /// - Parameters:
  ///   - scales: what normal numbers are multiplied by to make an input's values; 1 for those that are missing.
  ///   - offsets: what is then added; 0 for those that are missing.
  init(_ shapes: [[Int]], scales: [Float] = [], offsets: [Float] = [], operation: @escaping Operation) {
    self.shapes = shapes
    self.operation = operation
    values = shapes.enumerated().map { index, shape in
      let scale = scales.indices.contains(index) ? scales[index] : 1
      let offset = offsets.indices.contains(index) ? offsets[index] : 0
      return normalValues(shape.reduce(1, *), seed: UInt64(100 + index)).map {
        ((scale * $0 + offset) * 1024).rounded() / 1024
      }
    }
  }

  /// The operation's output for `values`, without a backward pass.
  func output(_ values: [[Float]], threads: Int = 1) -> [Float] {
    withExtendedLifetime(tape(recording: false, threads: threads)) { tape in
      let output = operation(zip(shapes, values).map { filled(tape.input($0), $1) })
      return withExtendedLifetime(output) { Array(output.elements) }
    }
  }

  /// The gradients of L for the inputs in `wanted`; nil for those that got none.
  func gradients(wanted: Set<Int>? = nil, threads: Int = 1) -> [[Float]?] {
    pass(wanted: wanted, threads: threads).gradients
  }

  /// The operation's output, and the gradients of L for the inputs in `wanted`.
  func pass(
    wanted: Set<Int>? = nil, threads: Int = 1, profile: Profile? = nil
  ) -> (output: [Float], gradients: [[Float]?]) {
    withExtendedLifetime(tape(recording: true, threads: threads, profile: profile)) { tape in
      let inputs = shapes.indices.map { index in
        let needsGradient = wanted?.contains(index) ?? true
        return filled(needsGradient ? tape.variable(shapes[index]) : tape.input(shapes[index]), values[index])
      }
      let output = operation(inputs)
      let result = Array(output.elements)
      let gradient = tape.engine.storage(output.count)
      _ = gradient.elements.update(fromContentsOf: weights(output.count))
      tape.backward(from: output, gradient: gradient)
      return (result, inputs.map { input in tape.gradient(of: input).map { Array($0.elements) } })
    }
  }

  /// For each input the largest difference between Σ g d and the quotient, over directions along all elements,
  /// relative to ‖g‖, and along single elements, relative to the largest of g.
  func errors(step: Float = 0x1p-5) -> [Double] {
    let gradients = gradients()
    return shapes.indices.map { index in
      guard let gradient = gradients[index], gradient.count == values[index].count else { return .infinity }
      let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      let largest = gradient.reduce(0) { max($0, Double(abs($1))) }
      guard norm > 0, norm.isFinite else { return .infinity }
      var worst = 0.0
      func compare(_ direction: [Float], _ scale: Double) {
        let expected = zip(gradient, direction).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        let error = abs(difference(index, direction, step) - expected) / scale
        worst = error.isNaN ? .infinity : max(worst, error)
      }
      for seed: UInt64 in 1...4 {
        compare(normalValues(gradient.count, seed: seed).map { $0 < 0 ? -1 : 1 }, norm)
      }
      for element in stride(from: 0, to: gradient.count, by: max(gradient.count / 12, 1)) {
        compare(gradient.indices.map { $0 == element ? 1 : 0 }, largest)
      }
      return worst
    }
  }

  private func difference(_ index: Int, _ direction: [Float], _ step: Float) -> Double {
    func value(_ multiple: Float) -> Double {
      var moved = values
      for element in direction.indices { moved[index][element] += multiple * step * direction[element] }
      let y = output(moved)
      return zip(y, weights(y.count)).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    return (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * Double(step))
  }

  private func weights(_ count: Int) -> [Float] { normalValues(count, seed: 99) }

  private func tape(recording: Bool, threads: Int, profile: Profile? = nil) -> Tape {
    let none = ParameterBuffer(count: 0)
    return Tape(
      engine: Engine(threadCount: threads), weights: none,
      gradients: recording ? ParameterBuffer(count: 0) : nil,
      profile: profile)
  }

  private func filled(_ tensor: Tensor, _ values: [Float]) -> Tensor {
    _ = tensor.elements.update(fromContentsOf: values)
    return tensor
  }
}
