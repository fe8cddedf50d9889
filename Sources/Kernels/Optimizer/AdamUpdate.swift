/// One step of Adam (Kingma and Ba, 2015) and of the exponential moving average of the weights, in a single pass over
/// flat memory. The arithmetic is that of PyTorch's `torch.optim.Adam`.
public struct AdamUpdate: Sendable {
  public var learningRate: Double
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  /// Added to the gradient as decay * weight (L2, Adam), or subtracted from the weight (decoupled, AdamW).
  public var weightDecay: Double
  public var isDecayDecoupled: Bool
  /// A factor applied to the gradient first, for clipping and the mean over micro-batches.
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

  /// Pointers to the values that an update reads or writes.
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

    /// The pointers advanced by `count` elements.
    @inline(__always) public func advanced(by count: Int) -> Values {
      Values(
        weights: weights + count, firstMoment: firstMoment + count, secondMoment: secondMoment + count,
        ema: ema + count)
    }
  }

  /// Updates `count` weights, their first and second moments and their moving average.
  ///
  /// - Parameters:
  ///   - old: the old values.
  ///   - new: the destination; may be `old`, and its weights or average may share memory with `gradient`.
  ///   - step: the number of this update, counted from 1.
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
