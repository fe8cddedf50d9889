import Tensors

/// A trained vector for each place of a sequence: PyTorch's `Embedding` of the numbers of the places.
public struct PositionTable: Sendable {
  private let weight: Parameter
  private let places: Int

  public init(
    _ builder: ParameterBuilder, places: Int, width: Int,
    _ initialization: Parameter.Initialization = .normal(deviation: 1)
  ) {
    weight = builder.table("weight", shape: [places, width], initialization)
    self.places = places
  }

  /// x + the vectors of its places, for x [B, N, width] with no more tokens than there are places.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let tokens = x.shape[1]
    precondition(tokens <= places, "\(tokens) tokens on \(places) places")
    let table = x.tape(weight)
    return x.addingToEachImage(tokens == places ? table : table.part(0..<tokens, axis: 0))
  }
}
