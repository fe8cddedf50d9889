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
  /// What the gradient is multiplied by first: clipping, and the mean over slices.
  public var gradientScale: Double
  /// average = decay * average + (1 - decay) * weight; 0 keeps a copy.
  public var averageDecay: Double

  public init(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0,
    isDecayDecoupled: Bool = false, gradientScale: Double = 1, averageDecay: Double
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.isDecayDecoupled = isDecayDecoupled
    self.gradientScale = gradientScale
    self.averageDecay = averageDecay
  }

  /// Where the numbers lie that an update reads, or where it writes them.
  public struct Values {
    public var weights: UnsafeMutablePointer<Float>
    public var firstMoment: UnsafeMutablePointer<Float>
    public var secondMoment: UnsafeMutablePointer<Float>
    public var average: UnsafeMutablePointer<Float>

    public init(
      weights: UnsafeMutablePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
      secondMoment: UnsafeMutablePointer<Float>, average: UnsafeMutablePointer<Float>
    ) {
      self.weights = weights
      self.firstMoment = firstMoment
      self.secondMoment = secondMoment
      self.average = average
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
    precondition(step >= 1, "Adam's steps are counted from 1, not \(step)")
    let power1 = Self.power(beta1, step)
    let power2 = Self.power(beta2, step)
    let stepSize = Vector(repeating: Float(learningRate / (1 - power1)))
    let inverseRoot2 = Vector(repeating: Float(1 / (1 - power2).squareRoot()))
    let (b1, c1) = (Vector(repeating: Float(beta1)), Vector(repeating: Float(1 - beta1)))
    let (b2, c2) = (Vector(repeating: Float(beta2)), Vector(repeating: Float(1 - beta2)))
    let eps = Vector(repeating: Float(epsilon))
    let scale = Vector(repeating: Float(gradientScale))
    let l2 = Vector(repeating: Float(isDecayDecoupled ? 0 : weightDecay))
    let shrink = Vector(repeating: Float(isDecayDecoupled ? 1 - learningRate * weightDecay : 1))
    let (keep, take) = (Vector(repeating: Float(averageDecay)), Vector(repeating: Float(1 - averageDecay)))

    @inline(__always)
    func update(
      _ w: inout Vector, _ gradient: Vector, _ m: inout Vector, _ v: inout Vector, _ a: inout Vector
    ) {
      let g = w.times(l2, plus: gradient * scale)
      m = b1.times(m, plus: c1 * g)
      v = b2.times(v, plus: c2 * g * g)
      let denominator = v.squareRoot().times(inverseRoot2, plus: eps)
      w = w * shrink - stepSize * (m / denominator)
      a = keep.times(a, plus: take * w)
    }

    pool.parallelPieces(count, of: 16_384) { range, _ in
      let start = range.lowerBound
      forEachVector(range.count) { index in
        let at = start &+ index
        var (w, m) = (Vector(from: old.weights + at), Vector(from: old.firstMoment + at))
        var (v, a) = (Vector(from: old.secondMoment + at), Vector(from: old.average + at))
        update(&w, Vector(from: gradient + at), &m, &v, &a)
        w.store(to: new.weights + at)
        m.store(to: new.firstMoment + at)
        v.store(to: new.secondMoment + at)
        a.store(to: new.average + at)
      } rest: { index, rest in
        let at = start &+ index
        func load(_ values: UnsafePointer<Float>) -> Vector { Vector(from: values + at, count: rest) }
        var (w, m) = (load(old.weights), load(old.firstMoment))
        var (v, a) = (load(old.secondMoment), load(old.average))
        update(&w, load(gradient), &m, &v, &a)
        w.store(to: new.weights + at, count: rest)
        m.store(to: new.firstMoment + at, count: rest)
        v.store(to: new.secondMoment + at, count: rest)
        a.store(to: new.average + at, count: rest)
      }
    }
  }

  /// `base` to the power `exponent` by repeated squaring: the C library's `pow` may differ between machines.
  private static func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, factor, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return result
  }
}
