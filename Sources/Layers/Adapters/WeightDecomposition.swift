import Kernels
import Tensors

/// Weights as lengths and directions (Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation", 2024): those of output k are
///
///     m_k (W + d)_k / |(W + d)_k|   (equation 5)
///
/// for weights W that are changed by d, and trained lengths m, at first those of W. The length that is divided by counts as a
/// constant in the backward pass (section 4.3).
struct WeightDecomposition: Sendable {
  /// [1, 1, K'] of some outputs.
  let magnitudes: Parameter

  init(_ builder: ParameterBuilder, _ module: AdaptableModule, _ kind: AdapterKind) {
    magnitudes = builder.weights(
      AdapterForm.magnitudeName(kind),
      fileShape: AdapterForm.magnitudeShape(
        kind, outputs: module.outputs, dimensions: module.weight.shape.count),
      outputs: module.outputs, inputs: 1, taps: 1, .ones)
  }

  /// One divided by the length of each output's weights, of [taps, C, K]; 0 where that is 0: weights of zeros have no
  /// direction, and stay zeros.
  static func inverseLengths(_ weights: UnsafeBufferPointer<Float>, shape: [Int], pool: ThreadPool) -> [Float]
  {
    lengths(weights, shape: shape, pool: pool).map { $0 > 0 ? 1 / $0 : 0 }
  }

  /// The length of each output's weights, of [taps, C, K].
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

  /// Outputs of a task: a cache line.
  private static let together = 16
}

extension AdapterForm {
  /// What files call a module's magnitudes: peft's name for LoRA, LyCORIS' for the kinds that peft has none for.
  static func magnitudeName(_ kind: AdapterKind) -> String {
    kind == .lora ? magnitudeNames[0] : magnitudeNames[1]
  }

  /// Names of magnitudes, behind that of their module.
  public static let magnitudeNames = ["lora_magnitude_vector", "dora_scale"]

  /// The shape of magnitudes in files.
  ///
  /// - Parameter dimensions: of the module's weights.
  public static func magnitudeShape(_ kind: AdapterKind, outputs: Int, dimensions: Int) -> [Int] {
    let ones = [Int](repeating: 1, count: dimensions - 1)
    guard kind == .lora else { return [outputs] + ones }
    return dimensions == 2 ? [outputs] : [1, outputs] + ones.dropFirst()
  }
}
