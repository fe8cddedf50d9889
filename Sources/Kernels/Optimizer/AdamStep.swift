import CProcessor

/// An `AdamUpdate` with all values that depend on the step number precomputed. Runs on the calling thread, on ranges of
/// any length.
public struct AdamStep: Sendable {
  private let stepSize: Vector
  private let inverseRoot2: Vector
  private let b1, c1, b2, c2: Vector
  private let eps: Vector
  private let scale: Vector
  private let l2: Vector
  private let shrink: Vector
  private let keep, take: Vector

  /// - Parameter step: the number of this update, counted from 1.
  public init(_ update: AdamUpdate, number step: Int) {
    precondition(step >= 1, "Adam's steps are counted from 1, not \(step)")
    let (beta1, beta2) = (update.beta1, update.beta2)
    stepSize = Vector(repeating: Float(update.learningRate / (1 - Self.power(beta1, step))))
    inverseRoot2 = Vector(repeating: Float(1 / (1 - Self.power(beta2, step)).squareRoot()))
    (b1, c1) = (Vector(repeating: Float(beta1)), Vector(repeating: Float(1 - beta1)))
    (b2, c2) = (Vector(repeating: Float(beta2)), Vector(repeating: Float(1 - beta2)))
    eps = Vector(repeating: Float(update.epsilon))
    scale = Vector(repeating: Float(update.gradientScale))
    l2 = Vector(repeating: Float(update.isDecayDecoupled ? 0 : update.weightDecay))
    shrink = Vector(
      repeating: Float(update.isDecayDecoupled ? 1 - update.learningRate * update.weightDecay : 1))
    keep = Vector(repeating: Float(update.emaDecay))
    take = Vector(repeating: Float(1 - update.emaDecay))
  }

  @inline(__always)
  private func update(
    _ w: inout Vector, _ gradient: Vector, _ m: inout Vector, _ v: inout Vector, _ a: inout Vector
  ) {
    let g = w.times(l2, plus: gradient * scale)
    m = b1.times(m, plus: c1 * g)
    v = b2.times(v, plus: c2 * g * g)
    let denominator = oboro_square_roots(v).times(inverseRoot2, plus: eps)
    w = w * shrink - stepSize * (m / denominator)
    a = keep.times(a, plus: take * w)
  }

  /// Updates `count` weights, their first and second moments and their moving average.
  ///
  /// - Parameters:
  ///   - old: the old values.
  ///   - new: the destination; may be `old`, and its weights or average may share memory with `gradient`.
  @inline(__always)
  func callAsFunction(
    _ old: AdamUpdate.Values, to new: AdamUpdate.Values, gradient: UnsafePointer<Float>, count: Int
  ) {
    forEachVector(count) { at in
      var (w, m) = (Vector(from: old.weights + at), Vector(from: old.firstMoment + at))
      var (v, a) = (Vector(from: old.secondMoment + at), Vector(from: old.ema + at))
      update(&w, Vector(from: gradient + at), &m, &v, &a)
      w.store(to: new.weights + at)
      m.store(to: new.firstMoment + at)
      v.store(to: new.secondMoment + at)
      a.store(to: new.ema + at)
    } rest: { at, rest in
      func load(_ values: UnsafePointer<Float>) -> Vector { Vector(from: values + at, count: rest) }
      var (w, m) = (load(old.weights), load(old.firstMoment))
      var (v, a) = (load(old.secondMoment), load(old.ema))
      update(&w, load(gradient), &m, &v, &a)
      w.store(to: new.weights + at, count: rest)
      m.store(to: new.firstMoment + at, count: rest)
      v.store(to: new.secondMoment + at, count: rest)
      a.store(to: new.ema + at, count: rest)
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
