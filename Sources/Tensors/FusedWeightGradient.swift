import Kernels

/// The gradient of a parameter that the backward pass has left to the update: it keeps what the gradient is made of, and
/// is for parameters for which that is less. See `Convolution.updateWeights`.
public struct FusedWeightGradient {
  /// Where the parameter lies in the flat memory.
  public let range: Range<Int>
  /// Whether it is known that all elements are numbers.
  private let isBounded: Bool
  private let compute: (_ update: WeightUpdate?) -> Double

  /// Elements with such a bound are numbers, and so is what is computed on the way to them.
  private static let surelyFinite: Float = 1e30

  /// - Parameters:
  ///   - bound: for the magnitude of every element.
  ///   - compute: makes the gradient, updates the parameter with it if there is an update, and returns the sum of the
  ///     gradient's squares.
  init(of range: Range<Int>, bound: Float, _ compute: @escaping (_ update: WeightUpdate?) -> Double) {
    self.range = range
    isBounded = bound < Self.surelyFinite
    self.compute = compute
  }

  /// Whether all elements are numbers. Where the bound does not say so, the gradient is computed to find out.
  public func isFinite() -> Bool { isBounded || compute(nil).isFinite }

  /// Updates the parameter.
  ///
  /// - Parameter values: of the parameter.
  /// - Returns: the sum of the gradient's squares.
  public func update(_ values: AdamUpdate.Values, by step: AdamStep) -> Double {
    compute(WeightUpdate(step, of: values))
  }
}

/// The gradients that a backward pass has left to the update.
public struct FusedWeightGradients {
  /// By their places in the flat memory.
  public private(set) var all: [FusedWeightGradient] = []

  public init() {}

  mutating func insert(_ gradient: FusedWeightGradient) {
    // The way back meets parameters from the last to the first, by and large.
    let place = all.firstIndex { gradient.range.lowerBound < $0.range.lowerBound } ?? all.count
    all.insert(gradient, at: place)
  }

  /// Where their parameters lie in the flat memory, in ascending order.
  public var ranges: [Range<Int>] { all.map(\.range) }

  /// Whether all elements of all of them are numbers.
  public func areFinite() -> Bool { all.allSatisfy { $0.isFinite() } }
}
