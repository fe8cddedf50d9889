/// Reference implementation of `WeightStandardization` for tests: normalises each of the K columns of weights [F, K] to
/// mean 0 and variance 1, in double precision.
public enum ReferenceWeightStandardization {
  public static func forward(
    _ weights: UnsafePointer<Float>, fanIn: Int, outputs: Int, standardized: UnsafeMutablePointer<Float>
  ) {
    for k in 0..<outputs {
      let column = (0..<fanIn).map { Double(weights[$0 * outputs + k]) }
      let mean = column.reduce(0, +) / Double(fanIn)
      let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(fanIn)
      for f in 0..<fanIn {
        standardized[f * outputs + k] = Float(
          (column[f] - mean) / (variance + Double(WeightStandardization.epsilon)).squareRoot())
      }
    }
  }
}
