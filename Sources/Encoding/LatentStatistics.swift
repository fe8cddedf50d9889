import Datasets

/// Sums over the latents of a part, accumulated in order. The sums of all parts, added in order, give the latents'
/// spread.
package struct LatentStatistics {
  private var count = 0.0
  private var means = 0.0
  private var squares = 0.0
  private var variances = 0.0

  static let size = 4
  package var numbers: [Double] { [count, means, squares, variances] }

  /// - Parameters:
  ///   - records: records of a part, see `EncodedParts`.
  ///   - fields: fields of a record: means, deviations, and others that are ignored.
  package init(_ records: [UInt8], fields: [Field]) {
    let (means, deviations) = (fields[0], fields[1])
    let size = means.byteCount ?? 0
    let recordSize = fields.reduce(0) { $0 + ($1.byteCount ?? 0) }
    records.withUnsafeBytes { records in
      for start in stride(from: 0, to: records.count, by: recordSize) {
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

  /// - Parameter numbers: those of all parts, in order.
  package init(sumOf numbers: [Double]) {
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

  /// The standard deviation of latents drawn from their posteriors: the root of Var(μ) + E(σ²).
  package var deviation: Double {
    let mean = means / count
    return (max(squares / count - mean * mean, 0) + variances / count).squareRoot()
  }
}
