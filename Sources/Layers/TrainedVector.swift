import Tensors

/// A single trained tensor: a vector shared by all samples, or a scalar.
public struct TrainedVector: Sendable {
  public let parameter: Parameter

  /// - Parameter shape: [width], or [] for a scalar.
  public init(
    _ builder: ParameterBuilder, _ name: String, shape: [Int], _ initialization: Parameter.Initialization
  ) {
    parameter = builder.table(name, shape: shape, initialization)
  }

  public func callAsFunction(on tape: Tape) -> Tensor { tape(parameter) }

  /// The vector as one token per sample: [B, 1, width].
  public func token(batch: Int, on tape: Tape) -> Tensor {
    let vector = tape(parameter)
    return vector.reshaped([1, vector.count]).rows([Int?](repeating: 0, count: batch))
      .reshaped([batch, 1, vector.count])
  }
}
