import Tensors

/// A trained vector for each position of a sequence: PyTorch's `Embedding` of the position indices.
public struct LearnedPositionalEmbedding: Sendable {
  private let weight: Parameter
  private let places: Int

  public init(
    _ builder: ParameterBuilder, places: Int, width: Int,
    _ initialization: Parameter.Initialization = .normal(deviation: 1)
  ) {
    weight = builder.table("weight", shape: [places, width], initialization)
    self.places = places
  }

  /// x plus the vectors of its positions, for x [B, N, width] with at most as many tokens as positions.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let tokens = x.shape[1]
    precondition(tokens <= places, "\(tokens) tokens on \(places) places")
    let table = x.tape(weight)
    return x.addingToEachImage(tokens == places ? table : table.part(0..<tokens, axis: 0))
  }
}
