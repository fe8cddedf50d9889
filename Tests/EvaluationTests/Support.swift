import Evaluation
import Kernels
import NumericsTestSupport
import Randomness
import Safetensors
import TestSupport

/// Golden values that `Tests/Fixtures/generators/evaluation.py` has written.
enum Golden {
  static func file() throws -> SafetensorsFile { try Fixture.safetensors("evaluation/metrics") }

  static func set(_ name: String) throws -> FeatureSet {
    let file = try file()
    let shape = try file.shape(of: name)
    return try FeatureSet(name: name, count: shape[0], width: shape[1], values: try file.doubles(name))
  }

  static func number(_ name: String) throws -> Double { try file().doubles(name)[0] }
}

/// A set of random features, the same in every run.
func randomSet(_ count: Int, _ width: Int, seed: UInt64, shift: Float = 0) throws -> FeatureSet {
  try FeatureSet(
    name: "random \(seed)", count: count, width: width,
    values: normalValues(count * width, seed: seed).map { $0 + shift })
}

/// ‖a - b‖ / ‖b‖ of two numbers.
func relativeError(of actual: Double, from expected: Double) -> Double {
  actual == expected ? 0 : abs(actual - expected) / abs(expected)
}

/// Every number of `metrics`, as bits.
func bits(_ metrics: SetMetrics) -> [UInt64] {
  metrics.measures.flatMap { [$0.value, $0.error ?? nil] }.compactMap { $0?.bitPattern }
}
