import Kernels

/// The gradient of a parameter, deferred by the backward pass to the update: it keeps the operands of the gradient
/// instead, for parameters where those are smaller. See `Convolution.updateWeights`.
public struct FusedWeightGradient {
  /// Where the parameter lies in the flat memory.
  public let range: Range<Int>
  /// Whether all elements are known to be finite.
  private let isBounded: Bool
  private let compute: (_ update: WeightUpdate?) -> Double

  /// Elements with such a bound are finite, and so are all intermediate results.
  private static let surelyFinite: Float = 1e30

  /// - Parameters:
  ///   - bound: an upper bound of the elements' magnitudes.
  ///   - compute: computes the gradient, applies the update if there is one, and returns the gradient's sum of squares.
  init(of range: Range<Int>, bound: Float, _ compute: @escaping (_ update: WeightUpdate?) -> Double) {
    self.range = range
    isBounded = bound < Self.surelyFinite
    self.compute = compute
  }

  /// Whether all elements are finite. If the bound does not guarantee it, the gradient is computed to find out.
  public func isFinite() -> Bool { isBounded || compute(nil).isFinite }

  /// Computes the gradient and updates the parameter with it.
  ///
  /// - Parameter values: the parameter's weights, moments and moving average.
  /// - Returns: the gradient's sum of squares.
  public func update(_ values: AdamUpdate.Values, by step: AdamStep) -> Double {
    compute(WeightUpdate(step, of: values))
  }
}

/// The gradients that a backward pass has deferred to the update.
public struct FusedWeightGradients {
  /// In ascending order of their ranges in the flat memory.
  public private(set) var all: [FusedWeightGradient] = []

  public init() {}

  mutating func insert(_ gradient: FusedWeightGradient) {
    // The backward pass mostly visits parameters from last to first.
    let place = all.firstIndex { gradient.range.lowerBound < $0.range.lowerBound } ?? all.count
    all.insert(gradient, at: place)
  }

  /// The ranges of their parameters in the flat memory, in ascending order.
  public var ranges: [Range<Int>] { all.map(\.range) }

  /// Whether all elements of all gradients are finite.
  public func areFinite() -> Bool { all.allSatisfy { $0.isFinite() } }
}
