/// Adapts a model's weights during a pass without modifying them: an adapter, whose own parameters are bound to the
/// tape in addition to the model's. Layers ask the tape for the change of the weights that they use.
public protocol WeightAdaptation: Sendable {
  /// - Returns: the change, or nil if the weights are not adapted.
  func change(of weights: Parameter, on tape: Tape) -> WeightChange?
}

/// A change of weights [taps, C, K].
public enum WeightChange {
  /// A tensor of the weights' shape, added to them.
  case sum(Tensor)
  /// The product of two thin matrices, added to the weights; layers with large inputs apply the two factors one after
  /// the other instead.
  case lowRank(LowRankChange)
}

/// A change of low rank, the product down up, with down [taps, C, R] and up [1, R, K].
public struct LowRankChange {
  public let down: Tensor
  public let up: Tensor
  /// Zeroes some of the inputs to `down`; `index` distinguishes the inputs of one layer. nil disables dropout.
  public let dropout: ((_ x: Tensor, _ index: Int) -> Tensor)?

  public init(down: Tensor, up: Tensor, dropout: ((_ x: Tensor, _ index: Int) -> Tensor)? = nil) {
    precondition(
      down.shape.count == 3 && up.shape.count == 3 && up.shape[0] == 1 && up.shape[1] == down.shape[2],
      "\(down.shape) and \(up.shape) are no change of low rank")
    self.down = down
    self.up = up
    self.dropout = dropout
  }

  /// The inputs to `down`, after dropout.
  public func seen(_ inputs: [Tensor]) -> [Tensor] {
    guard let dropout else { return inputs }
    return inputs.enumerated().map { dropout($1, $0) }
  }

  /// The full change, [taps, C, K].
  public var product: Tensor {
    let (taps, inputs, rank) = (down.shape[0], down.shape[1], down.shape[2])
    return down.reshaped([taps * inputs, rank]).linear(weights: up).reshaped([taps, inputs, up.channels])
  }
}

extension Tape {
  /// The change of the weights on this pass; nil if there is none.
  public func change(of weights: Parameter) -> WeightChange? { adaptation?.change(of: weights, on: self) }

  /// The adapted values of weights, for layers that use them in more than one product.
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
