/// Reference implementation of `LayerNormalization` for tests: value by value in double precision, on one thread. Same
/// layouts: x, y [B, N, C], gamma, beta [C], the modulation in columns of a matrix.
public enum ReferenceLayerNormalization {
  /// y = (x^ gamma + beta)(1 + scale) + shift, with the sizes and epsilon of `norm`.
  public static func forward(
    _ norm: LayerNormalization, _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>?,
    beta: UnsafePointer<Float>?, modulation: LayerNormalization.Modulation?,
    output: UnsafeMutablePointer<Float>
  ) {
    let c = norm.channels
    for token in 0..<norm.batch * norm.tokens {
      let values = (0..<c).map { Double(x[token * c + $0]) }
      let mean = values.reduce(0, +) / Double(c)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(c)
      for channel in 0..<c {
        let normalized = (values[channel] - mean) / (variance + Double(norm.epsilon)).squareRoot()
        let place = modulation.map { token / norm.tokens * $0.stride + channel } ?? 0
        let (scale, shift) = (Double(modulation?.scale[place] ?? 0), Double(modulation?.shift[place] ?? 0))
        let value = normalized * Double(gamma?[channel] ?? 1) + Double(beta?[channel] ?? 0)
        output[token * c + channel] = Float(value * (1 + scale) + shift)
      }
    }
  }
}
