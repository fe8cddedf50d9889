import Datasets

/// Sums over the latents of a part, in the order of their values. Sums of all parts, in their order, say how far latents
/// spread.
struct LatentStatistics {
  private var count = 0.0
  private var means = 0.0
  private var squares = 0.0
  private var variances = 0.0

  static let size = 4
  var numbers: [Double] { [count, means, squares, variances] }

  /// - Parameter records: of a part, see `EncodedParts`.
  init(_ records: [UInt8], plan: EncodingPlan) {
    let (means, deviations) = (plan.fields[0], plan.fields[1])
    let size = means.byteCount ?? 0
    records.withUnsafeBytes { records in
      for start in stride(from: 0, to: records.count, by: plan.recordSize) {
        for element in 0..<means.elementCount {
          let mean = Self.value(records, start, element, means.type)
          let deviation = Self.value(records, start + size, element, deviations.type)
          self.count += 1
          self.means += mean
          squares += mean * mean
          variances += deviation * deviation
        }
      }
    }
  }

  /// - Parameter numbers: of all parts in their order.
  init(sumOf numbers: [Double]) {
    for start in stride(from: 0, to: numbers.count, by: Self.size) {
      count += numbers[start]
      means += numbers[start + 1]
      squares += numbers[start + 2]
      variances += numbers[start + 3]
    }
  }

  private static func value(
    _ bytes: UnsafeRawBufferPointer, _ start: Int, _ element: Int, _ type: FieldType
  ) -> Double {
    type == .float16
      ? Double(bytes.loadUnaligned(fromByteOffset: start + 2 * element, as: Float16.self))
      : Double(bytes.loadUnaligned(fromByteOffset: start + 4 * element, as: Float.self))
  }

  /// The standard deviation of latents that are drawn from their posteriors: the root of Var(μ) + E(σ²).
  var deviation: Double {
    let mean = means / count
    return (max(squares / count - mean * mean, 0) + variances / count).squareRoot()
  }
}
