import Kernels

/// The operation that all sampler steps consist of.
enum LinearCombination {
  private static let pieceSize = 1 << 14

  /// Σ c_k a_k element-wise, in the order of the terms; terms with c = 0 are skipped, whatever their values.
  static func of(_ terms: [(Double, [Float])], threads: ThreadPool) -> [Float] {
    let terms = terms.filter { $0.0 != 0 }.map { (Float($0.0), $0.1) }
    guard let count = terms.first?.1.count else { preconditionFailure("a sum without terms") }
    precondition(terms.allSatisfy { $0.1.count == count }, "sums of \(terms.map(\.1.count)) values")
    return [Float](unsafeUninitializedCapacity: count) { result, initialized in
      let result = UnsafeMutableBufferPointer(rebasing: result[..<count])
      threads.parallelPieces(count, of: pieceSize) { piece, _ in
        for (number, (factor, values)) in terms.enumerated() {
          values.withUnsafeBufferPointer { values in
            if number == 0 {
              for index in piece { result[index] = factor * values[index] }
            } else {
              for index in piece { result[index] += factor * values[index] }
            }
          }
        }
      }
      initialized = count
    }
  }
}
