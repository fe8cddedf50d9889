/// The factors of a Kronecker product.
public struct KroneckerForm: Hashable, Sendable {
  /// The parameterisation of a factor.
  public enum Factor: Hashable, Sendable {
    case whole
    case product(rank: Int)
    /// A product with a separate tensor for the kernel.
    case tucker(rank: Int)

    public var rank: Int? {
      switch self {
      case .whole: nil
      case .product(let rank), .tucker(let rank): rank
      }
    }
  }

  /// The numbers of outputs and inputs of the first factor; those of the second are the quotients.
  public let firstOutputs: Int
  public let firstInputs: Int
  public let first: Factor
  public let second: Factor

  public init(firstOutputs: Int, firstInputs: Int, first: Factor, second: Factor) {
    self.firstOutputs = firstOutputs
    self.firstInputs = firstInputs
    self.first = first
    self.second = second
  }

  /// peft's choice for a given rank: both sides are split near their square roots, and the second factor is a whole
  /// matrix if that is no larger than a product.
  public init(rank: Int, outputs: Int, inputs: Int) {
    let (firstOutputs, firstInputs) = (Self.smallerFactor(outputs), Self.smallerFactor(inputs))
    let longest = max(outputs / firstOutputs, inputs / firstInputs)
    self.init(
      firstOutputs: firstOutputs, firstInputs: firstInputs, first: .whole,
      second: 2 * rank >= longest ? .whole : .product(rank: rank))
  }

  /// The largest divisor of `number` that does not exceed its square root.
  static func smallerFactor(_ number: Int) -> Int {
    var best = 1
    var candidate = 2
    while candidate * candidate <= number {
      if number % candidate == 0 { best = candidate }
      candidate += 1
    }
    return best
  }
}
