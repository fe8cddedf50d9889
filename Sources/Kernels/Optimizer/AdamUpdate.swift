/// One step of Adam (Kingma and Ba, 2015) with the exponential moving average of the weights, as one pass over flat
/// memory. The arithmetic is PyTorch's `torch.optim.Adam`.
public struct AdamUpdate: Sendable {
  public var learningRate: Double
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  /// Added to the gradient as decay * weight (L2, Adam's), or taken off the weight (AdamW's).
  public var weightDecay: Double
  public var isDecayDecoupled: Bool
  /// What the gradient is multiplied by first: clipping, and the mean over micro-batches.
  public var gradientScale: Double
  /// average = decay * average + (1 - decay) * weight; 0 keeps a copy.
  public var emaDecay: Double

  public init(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0,
    isDecayDecoupled: Bool = false, gradientScale: Double = 1, emaDecay: Double
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.isDecayDecoupled = isDecayDecoupled
    self.gradientScale = gradientScale
    self.emaDecay = emaDecay
  }

  /// Where the numbers lie that an update reads, or where it writes them.
  public struct Values {
    public var weights: UnsafeMutablePointer<Float>
    public var firstMoment: UnsafeMutablePointer<Float>
    public var secondMoment: UnsafeMutablePointer<Float>
    public var ema: UnsafeMutablePointer<Float>

    public init(
      weights: UnsafeMutablePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
      secondMoment: UnsafeMutablePointer<Float>, ema: UnsafeMutablePointer<Float>
    ) {
      self.weights = weights
      self.firstMoment = firstMoment
      self.secondMoment = secondMoment
      self.ema = ema
    }

    /// Those that lie `count` places further on.
    @inline(__always) public func advanced(by count: Int) -> Values {
      Values(
        weights: weights + count, firstMoment: firstMoment + count, secondMoment: secondMoment + count,
        ema: ema + count)
    }
  }

  /// Writes what becomes of `count` weights, their first and second moments and their average.
  ///
  /// - Parameters:
  ///   - old: what they are.
  ///   - new: where to write; may be `old`, and its weights or average the memory of `gradient`.
  ///   - step: the number of this update, from 1.
  public func callAsFunction(
    _ old: Values, to new: Values, gradient: UnsafePointer<Float>, count: Int, step: Int, pool: ThreadPool
  ) {
    let update = AdamStep(self, number: step)
    pool.parallelPieces(count, of: 16_384) { range, _ in
      update(
        old.advanced(by: range.lowerBound), to: new.advanced(by: range.lowerBound),
        gradient: gradient + range.lowerBound, count: range.count)
    }
  }
}
