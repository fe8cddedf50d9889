/// What changes weights of a model on a pass without touching them: an adapter, whose own parameters the tape has bound
/// beside the model's. Layers ask the tape for the change of the weights that they multiply with.
public protocol WeightAdaptation: Sendable {
  /// - Returns: nil: the weights stay as they are.
  func change(of weights: Parameter, on tape: Tape) -> WeightChange?
}

/// How weights [taps, C, K] are changed.
public enum WeightChange {
  /// This is added, a tensor of the weights' shape.
  case sum(Tensor)
  /// The product of two thin ones is added, which layers with large inputs multiply with one after the other.
  case lowRank(LowRankChange)
}

/// down up: weights [taps, C, R] and [1, R, K].
public struct LowRankChange {
  public let down: Tensor
  public let up: Tensor
  /// Sets some of the inputs that `down` sees to zero; `index` tells apart the inputs of one layer. nil: none.
  public let dropout: ((_ x: Tensor, _ index: Int) -> Tensor)?

  public init(down: Tensor, up: Tensor, dropout: ((_ x: Tensor, _ index: Int) -> Tensor)? = nil) {
    precondition(
      down.shape.count == 3 && up.shape.count == 3 && up.shape[0] == 1 && up.shape[1] == down.shape[2],
      "\(down.shape) and \(up.shape) are no change of low rank")
    self.down = down
    self.up = up
    self.dropout = dropout
  }

  /// The inputs that `down` sees.
  public func seen(_ inputs: [Tensor]) -> [Tensor] {
    guard let dropout else { return inputs }
    return inputs.enumerated().map { dropout($1, $0) }
  }

  /// [taps, C, K].
  public var product: Tensor {
    let (taps, inputs, rank) = (down.shape[0], down.shape[1], down.shape[2])
    return down.reshaped([taps * inputs, rank]).linear(weights: up).reshaped([taps, inputs, up.channels])
  }
}

extension Tape {
  /// How the weights are changed; nil: not at all.
  public func change(of weights: Parameter) -> WeightChange? { adaptation?.change(of: weights, on: self) }

  /// The values of weights with their change, for layers that use them for more than one product.
  public func adapted(_ weights: Parameter) -> Tensor {
    let values = self(weights)
    switch change(of: weights) {
    case .none: return values
    case .sum(let change): return values + change
    case .lowRank(let change):
      precondition(change.dropout == nil, "\(weights.name) has no inputs to drop")
      return values + change.product
    }
  }
}
