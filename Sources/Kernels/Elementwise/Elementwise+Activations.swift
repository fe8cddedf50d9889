extension Elementwise {
  /// output = max(x, 0) + slope min(x, 0); NaN stays NaN.
  public static func leakyReLU(
    _ x: UnsafePointer<Float>, slope: Float, output: UnsafeMutablePointer<Float>, count: Int,
    pool: ThreadPool
  ) {
    let zero = Vector(repeating: 0)
    map(count, pool) { at, rest in
      var u = load(x, at, rest)
      u.replace(with: slope * u, where: u .< zero)
      save(u, to: output, at, rest)
    }
  }

  /// inputGradient = outputGradient where x > 0, else slope * outputGradient.
  public static func leakyReLUGradient(
    _ x: UnsafePointer<Float>, slope: Float, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    let zero = Vector(repeating: 0)
    map(count, pool) { at, rest in
      let dy = load(outputGradient, at, rest)
      save(dy.replacing(with: slope * dy, where: load(x, at, rest) .<= zero), to: inputGradient, at, rest)
    }
  }

  /// output = x sigmoid(2 √(2/π) (x + 0.044715 x³)): PyTorch's `GELU(approximate="tanh")`.
  public static func tanhGELU(
    _ x: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in save(load(x, at, rest).tanhGELU, to: output, at, rest) }
  }

  /// inputGradient = outputGradient d(output)/dx.
  public static func tanhGELUGradient(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in
      save(load(outputGradient, at, rest) * load(x, at, rest).tanhGELUSlope, to: inputGradient, at, rest)
    }
  }

  /// output = x sigmoid(1.702 x): transformers' `quick_gelu`.
  public static func quickGELU(
    _ x: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in save(load(x, at, rest).quickGELU, to: output, at, rest) }
  }

  /// inputGradient = outputGradient d(output)/dx.
  public static func quickGELUGradient(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in
      save(load(outputGradient, at, rest) * load(x, at, rest).quickGELUSlope, to: inputGradient, at, rest)
    }
  }

  /// output = e^x, with x clamped to [-87.3, 88.3].
  public static func exponential(
    _ x: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in save(load(x, at, rest).exponential, to: output, at, rest) }
  }

  /// output = min(max(x, lowest), highest); NaN stays NaN.
  public static func clamp(
    _ x: UnsafePointer<Float>, to bounds: ClosedRange<Float>, output: UnsafeMutablePointer<Float>, count: Int,
    pool: ThreadPool
  ) {
    let (lowest, highest) = (Vector(repeating: bounds.lowerBound), Vector(repeating: bounds.upperBound))
    map(count, pool) { at, rest in
      var u = load(x, at, rest)
      u.replace(with: lowest, where: u .< lowest)
      u.replace(with: highest, where: u .> highest)
      save(u, to: output, at, rest)
    }
  }

  /// inputGradient = outputGradient where x is within the bounds, else 0.
  public static func clampGradient(
    _ x: UnsafePointer<Float>, to bounds: ClosedRange<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    let (lowest, highest) = (Vector(repeating: bounds.lowerBound), Vector(repeating: bounds.upperBound))
    let zero = Vector(repeating: 0)
    map(count, pool) { at, rest in
      let u = load(x, at, rest)
      var gradient = load(outputGradient, at, rest)
      gradient.replace(with: zero, where: (u .< lowest) .| (u .> highest))
      save(gradient, to: inputGradient, at, rest)
    }
  }
}
