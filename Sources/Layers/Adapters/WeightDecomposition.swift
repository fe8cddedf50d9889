import Kernels
import Tensors

/// A decomposition of weights into norm and direction (Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation",
/// 2024). The weights of output k are
///
///     m_k (W + d)_k / |(W + d)_k|   (equation 5)
///
/// for weights W with a change d, and trained norms m, initially those of W. The backward pass treats the divisor as a
/// constant (section 4.3).
struct WeightDecomposition: Sendable {
  /// [1, 1, K'] for a subset of the outputs.
  let magnitudes: Parameter

  init(_ builder: ParameterBuilder, _ module: AdaptableModule, _ kind: AdapterKind) {
    magnitudes = builder.weights(
      AdapterForm.magnitudeName(kind),
      fileShape: AdapterForm.magnitudeShape(
        kind, outputs: module.outputs, dimensions: module.weight.shape.count),
      outputs: module.outputs, inputs: 1, taps: 1, .ones)
  }

  /// The inverse norm of each output's weights, for [taps, C, K]; 0 for a norm of 0: weights of zero have no direction
  /// and stay zero.
  static func inverseLengths(_ weights: UnsafeBufferPointer<Float>, shape: [Int], pool: ThreadPool) -> [Float]
  {
    lengths(weights, shape: shape, pool: pool).map { $0 > 0 ? 1 / $0 : 0 }
  }

  /// The norm of each output's weights, for [taps, C, K].
  static func lengths(_ weights: UnsafeBufferPointer<Float>, shape: [Int], pool: ThreadPool) -> [Float] {
    let (rows, outputs) = (shape[0] * shape[1], shape[2])
    return [Float](unsafeUninitializedCapacity: outputs) { lengths, count in
      count = outputs
      lengths.initialize(repeating: 1)
      let lengths = UnsafeMutableBufferPointer(rebasing: lengths[..<outputs])
      pool.parallel((outputs + together - 1) / together) { block, _ in
        for output in block * together..<min((block + 1) * together, outputs) {
          var sum = 0.0
          for row in 0..<rows {
            let value = Double(weights[row &* outputs &+ output])
            sum += value * value
          }
          lengths[output] = Float(sum.squareRoot())
        }
      }
    }
  }

  /// Outputs per task: one cache line.
  private static let together = 16
}

extension AdapterForm {
  /// The name of a module's magnitudes in files: peft's for LoRA, LyCORIS' for kinds that peft does not support.
  static func magnitudeName(_ kind: AdapterKind) -> String {
    kind == .lora ? magnitudeNames[0] : magnitudeNames[1]
  }

  /// Names of magnitudes, appended to their module's.
  public static let magnitudeNames = ["lora_magnitude_vector", "dora_scale"]

  /// The shape of magnitudes in files.
  ///
  /// - Parameter dimensions: number of dimensions of the module's weights.
  public static func magnitudeShape(_ kind: AdapterKind, outputs: Int, dimensions: Int) -> [Int] {
    let ones = [Int](repeating: 1, count: dimensions - 1)
    guard kind == .lora else { return [outputs] + ones }
    return dimensions == 2 ? [outputs] : [1, outputs] + ones.dropFirst()
  }
}
