import Tensors

/// PyTorch's `Embedding`: a trained vector for each row of a table, such as a class or token.
public struct Embedding: Sendable {
  private let weight: Parameter

  /// - Parameter initialization: PyTorch's default is the standard normal distribution.
  public init(
    _ builder: ParameterBuilder, rows: Int, width: Int,
    _ initialization: Parameter.Initialization = .normal(deviation: 1)
  ) {
    weight = builder.table("weight", shape: [rows, width], initialization)
  }

  /// [B] rows -> [B, width]; zeros where the row is nil.
  public func callAsFunction(_ rows: [Int?], on tape: Tape) -> Tensor { tape(weight).rows(rows) }

  /// The vector of one row.
  public func row(_ row: Int, _ weights: ParameterBuffer) -> [Float] {
    let (rows, width) = (weight.shape[0], weight.shape[1])
    precondition((0..<rows).contains(row), "row \(row) of a table of \(rows)")
    return Array(
      UnsafeBufferPointer(start: weights.pointer + weight.offset + row * width, count: width))
  }
}
