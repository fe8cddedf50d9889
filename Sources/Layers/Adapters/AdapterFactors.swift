import Tensors

/// The tensors that parameterise the change of one module's weights.
protocol AdapterFactors: Sendable {
  /// The prefix of its tensors' names.
  static var tensorPrefix: String { get }
  /// The names of its tensors in peft's files, after the name of their module.
  static var tensorNames: [String] { get }
  /// The tensors whose first dimension is the rank by which alpha is divided: the first of them that a module has.
  static var rankNames: [String] { get }
  /// The form of factors with these shapes.
  ///
  /// - Throws: `AdapterFormError`.
  static func form(_ shapes: AdapterShapes) throws -> AdapterForm

  /// The change of the weights before scaling: [taps, C, K].
  func product(on tape: Tape) -> Tensor
}

extension Parameter.Initialization {
  /// PyTorch's Kaiming uniform initialisation with a = sqrt(5).
  static func kaiming(fanIn: Int) -> Parameter.Initialization {
    .uniform(bound: 1 / Float(fanIn).squareRoot())
  }
}

/// Two matrices whose product is [taps, C, K]; files hold [K, R] and [R, C taps].
struct MatrixFactors: Sendable {
  private let outer: Parameter
  private let inner: Parameter

  /// - Parameters:
  ///   - names: the names of the matrices in files.
  ///   - startsFromZero: the matrix that is initialised to zero, if any, making the product zero.
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

/// The three tensors of a Tucker decomposition of [taps, C, K]; files hold [R, R, taps], [R, K] and [R, C].
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
    // In the order of files: [R, K] is already the [inputs, outputs] of a product.
    outer = builder.table(names.outer, shape: [rank, outputs], .kaiming(fanIn: outputs))
    inner = builder.weights(
      names.inner, fileShape: [rank, inputs], outputs: rank, inputs: inputs, taps: 1,
      startsFromZero ? .zeros : .kaiming(fanIn: inputs))
  }

  /// For each tap t, inner^T core_t^T outer.
  func product(on tape: Tape) -> Tensor {
    let (taps, rank, inputs, outputs) = (core.taps, core.inputs, inner.inputs, outer.shape[1])
    let parts = (0..<taps).map { tap in
      // First [R, K], then [C, K]. The tape must see each use of a parameter.
      let between = tape(core).part(tap..<tap + 1, axis: 0).reshaped([rank, rank])
        .linear(weights: tape(outer).reshaped([1, rank, outputs]))
      return tape(inner).reshaped([inputs, rank]).linear(weights: between.reshaped([1, rank, outputs]))
        .reshaped([1, inputs, outputs])
    }
    return taps == 1 ? parts[0] : .concatenated(parts, axis: 0)
  }
}
