import Tensors

/// The embedding vectors of a new word for a text encoder: the only parameters that textual inversion trains (Gal et
/// al., "An Image is Worth One Word", 2022).
///
/// Their tensor [n, D] is named after the word.
public struct WordTable: Sendable {
  public let word: String
  public let parameters: ParameterLayout
  private let vectors: Parameter

  /// - Parameters:
  ///   - count: number of vectors, n.
  ///   - width: width of an embedding, D.
  public init(word: String, count: Int, width: Int) {
    let builder = ParameterBuilder("words")
    vectors = builder.table(word, shape: [count, width], .normal(deviation: 0.02))
    self.word = word
    parameters = builder.layout
  }

  /// [n, D].
  public var shape: [Int] { vectors.shape }

  /// [n, D].
  public func callAsFunction(on tape: Tape) -> Tensor { tape(vectors) }

  /// The n vectors with D values each.
  public func values(_ weights: ParameterBuffer) -> [[Float]] {
    let width = vectors.shape[1]
    return (0..<vectors.shape[0]).map { row in
      Array(UnsafeBufferPointer(start: weights.pointer + vectors.offset + row * width, count: width))
    }
  }

  /// Sets the vectors.
  public func set(_ rows: [[Float]], in weights: ParameterBuffer) {
    precondition(
      rows.count == shape[0] && rows.allSatisfy { $0.count == shape[1] }, "vectors for a table \(shape)")
    for (row, values) in rows.enumerated() {
      for (column, value) in values.enumerated() {
        weights.pointer[vectors.offset + row * shape[1] + column] = value
      }
    }
  }
}
