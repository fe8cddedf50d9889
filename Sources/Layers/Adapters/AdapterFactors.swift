import Tensors

/// The tensors that make the change of one module's weights.
protocol AdapterFactors: Sendable {
  /// What is added to the weights, without its scale: [taps, C, K].
  func product(on tape: Tape) -> Tensor
}

extension Parameter.Initialization {
  /// PyTorch's Kaiming uniform with a = sqrt(5).
  static func kaiming(fanIn: Int) -> Parameter.Initialization {
    .uniform(bound: 1 / Float(fanIn).squareRoot())
  }
}

/// Two matrices whose product is [taps, C, K]: files hold [K, R] and [R, C taps].
struct MatrixFactors: Sendable {
  private let outer: Parameter
  private let inner: Parameter

  /// - Parameters:
  ///   - names: of the matrices in files.
  ///   - startsFromZero: which one does, if any, so that the product does.
  init(
    _ builder: ParameterBuilder, names: (outer: String, inner: String), outputs: Int, inputs: Int, taps: Int,
    rank: Int, startsFromZero: Side?
  ) {
    outer = builder.weights(
      names.outer, fileShape: [outputs, rank], outputs: outputs, inputs: rank, taps: 1,
      startsFromZero == .outer ? .zeros : .kaiming(fanIn: rank))
    inner = builder.weights(
      names.inner, fileShape: [rank, inputs * taps], outputs: rank, inputs: inputs, taps: taps,
      startsFromZero == .inner ? .zeros : .kaiming(fanIn: inputs * taps))
  }

  enum Side { case outer, inner }

  func product(on tape: Tape) -> Tensor {
    let rows = tape(inner)
    let (taps, inputs, rank) = (rows.shape[0], rows.shape[1], rows.shape[2])
    return rows.reshaped([taps * inputs, rank]).linear(weights: tape(outer))
      .reshaped([taps, inputs, outer.outputs])
  }
}

/// The three tensors of a Tucker decomposition of [taps, C, K]: files hold [R, R, taps], [R, K] and [R, C].
struct TuckerFactors: Sendable {
  private let core: Parameter
  private let outer: Parameter
  private let inner: Parameter

  init(
    _ builder: ParameterBuilder, names: (core: String, outer: String, inner: String), outputs: Int,
    inputs: Int, kernel: [Int], rank: Int, startsFromZero: Bool
  ) {
    let taps = kernel.reduce(1, *)
    core = builder.weights(
      names.core, fileShape: [rank, rank] + kernel, outputs: rank, inputs: rank, taps: taps,
      .kaiming(fanIn: rank * taps))
    // As files hold it: [R, K] is [inputs, outputs] of a product.
    outer = builder.table(names.outer, shape: [rank, outputs], .kaiming(fanIn: outputs))
    inner = builder.weights(
      names.inner, fileShape: [rank, inputs], outputs: rank, inputs: inputs, taps: 1,
      startsFromZero ? .zeros : .kaiming(fanIn: inputs))
  }

  /// Of tap t: inner^T core_t^T outer.
  func product(on tape: Tape) -> Tensor {
    let (taps, rank, inputs, outputs) = (core.taps, core.inputs, inner.inputs, outer.shape[1])
    let parts = (0..<taps).map { tap in
      // [R of inputs, K], then [C, K]. Each use of a parameter is announced to the tape.
      let between = tape(core).part(tap..<tap + 1, axis: 0).reshaped([rank, rank])
        .linear(weights: tape(outer).reshaped([1, rank, outputs]))
      return tape(inner).reshaped([inputs, rank]).linear(weights: between.reshaped([1, rank, outputs]))
        .reshaped([1, inputs, outputs])
    }
    return taps == 1 ? parts[0] : .concatenated(parts, axis: 0)
  }
}
