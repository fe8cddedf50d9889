import Randomness

/// `count` standard normal numbers, the same in every run; `seed` tells sets of them apart.
public func normalValues(_ count: Int, seed: UInt64) -> [Float] {
  [Float](unsafeUninitializedCapacity: count) { values, initialized in
    RandomStream(seed: seed, purpose: .noise)
      .fillNormal(UnsafeMutableBufferPointer(rebasing: values[..<count]))
    initialized = count
  }
}

/// ‖actual − expected‖ / ‖expected‖, in double precision; NaN if anything is, infinite for unequal counts.
public func relativeError(of actual: [Float], from expected: [Float]) -> Double {
  relativeError(of: actual.map(Double.init), from: expected.map(Double.init))
}

/// ‖actual − expected‖ / ‖expected‖; NaN if anything is, infinite for unequal counts.
public func relativeError(of actual: [Double], from expected: [Double]) -> Double {
  guard actual.count == expected.count else { return .infinity }
  let difference = zip(actual, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  let size = expected.reduce(0) { $0 + $1 * $1 }
  return difference == 0 ? 0 : (difference / size).squareRoot()
}

/// The bits of every value: what is compared where results must be the same, not close.
public func bitPatterns(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
