import Foundation
import Kernels
import NumericsTestSupport
import Testing

@Suite struct AdamUpdateTests {
  /// What an update works on.
  private struct State: Equatable {
    var weights: [Float]
    var firstMoment: [Float]
    var secondMoment: [Float]
    var ema: [Float]

    init(weights: [Float]) {
      self.weights = weights
      firstMoment = [Float](repeating: 0, count: weights.count)
      secondMoment = firstMoment
      ema = weights
    }

    mutating func update(_ adam: AdamUpdate, _ gradient: [Float], step: Int, threads: Int = 1) {
      adam(
        weights: &weights, gradient: gradient, firstMoment: &firstMoment, secondMoment: &secondMoment,
        ema: &ema, count: weights.count, step: step, pool: ThreadPool(threadCount: threads))
    }
  }

  /// The options of a golden run.
  private struct Options: Decodable {
    let kind: String
    let lr: Double
    let betas: [Double]
    let eps: Double
    let weightDecay: Double

    private enum CodingKeys: String, CodingKey {
      case kind, lr, betas, eps
      case weightDecay = "weight_decay"
    }
  }

  @Test(arguments: ["adam", "adam-weight-decay", "adamw", "adam-large-eps"])
  func stepsArePyTorchs(run: String) throws {
    let file = try Fixture.safetensors("adam")
    let options = try JSONDecoder().decode(Options.self, from: Data(try #require(file.metadata[run]).utf8))
    let adam = AdamUpdate(
      learningRate: options.lr, beta1: options.betas[0], beta2: options.betas[1], epsilon: options.eps,
      weightDecay: options.weightDecay, isDecayDecoupled: options.kind == "adamw", emaDecay: 0)
    let initial = try file.floats("initial")
    let gradients = try file.floats("gradients")
    let expected = try file.doubles("\(run)/weights")
    let count = initial.count
    var state = State(weights: initial)
    for step in 1...20 {
      let row = (step - 1) * count..<step * count
      state.update(adam, Array(gradients[row]), step: step)
      for (element, (weight, expected)) in zip(state.weights, expected[row]).enumerated() {
        // A float32 weight rounds at each step, and so does the step.
        let rounding = Double(step) * (1.2e-7 * abs(expected) + 1e-6 * options.lr)
        guard abs(Double(weight) - expected) <= rounding else {
          Issue.record("step \(step), element \(element): \(weight), expected \(expected)")
          return
        }
      }
    }
    let second = try file.doubles("\(run)/second_moment")
    for (element, (m, expected)) in zip(state.firstMoment, try file.doubles("\(run)/first_moment"))
      .enumerated()
    {
      #expect(abs(Double(m) - expected) <= 1e-5 * second[element].squareRoot(), "element \(element)")
    }
    for (v, expected) in zip(state.secondMoment, second) {
      // Below 1e-38 float32 loses digits.
      #expect(abs(Double(v) - expected) <= 1e-5 * expected + 1e-43)
    }
  }

  @Test func averageFollowsTheWeights() {
    let adam = AdamUpdate(learningRate: 0.01, emaDecay: 0.995)
    var state = State(weights: normalValues(100, seed: 1))
    var expected = state.weights.map(Double.init)
    for step in 1...50 {
      state.update(adam, normalValues(100, seed: UInt64(step + 1)), step: step)
      expected = zip(expected, state.weights).map { 0.995 * $0 + 0.005 * Double($1) }
    }
    #expect(relativeError(of: state.ema.map(Double.init), from: expected) < 1e-6)
    #expect(state.ema != state.weights)
  }

  @Test func averageWithoutDecayIsACopy() {
    var state = State(weights: normalValues(100, seed: 1))
    state.update(AdamUpdate(learningRate: 0.01, emaDecay: 0), normalValues(100, seed: 2), step: 1)
    #expect(state.ema == state.weights)
  }

  @Test func scaleIsAFactorOfTheGradient() {
    let gradient = normalValues(50, seed: 2)
    var (scaled, plain) = (
      State(weights: normalValues(50, seed: 1)), State(weights: normalValues(50, seed: 1))
    )
    scaled.update(AdamUpdate(learningRate: 0.01, gradientScale: 0.125, emaDecay: 0.9), gradient, step: 1)
    plain.update(AdamUpdate(learningRate: 0.01, emaDecay: 0.9), gradient.map { $0 / 8 }, step: 1)
    #expect(scaled == plain)
  }

  /// What lies between the parameters stays zero.
  @Test(arguments: [false, true]) func zerosStay(isDecayDecoupled: Bool) {
    let adam = AdamUpdate(
      learningRate: 0.1, weightDecay: 0.1, isDecayDecoupled: isDecayDecoupled, emaDecay: 0.5)
    var state = State(weights: [Float](repeating: 0, count: 40))
    for step in 1...5 { state.update(adam, [Float](repeating: 0, count: 40), step: step) }
    #expect(state == State(weights: [Float](repeating: 0, count: 40)))
  }

  /// Also of the last, incomplete vector and piece.
  @Test(arguments: [1, 15, 16, 37, 16_384, 50_005]) func threadsDoNotChangeBits(count: Int) {
    let adam = AdamUpdate(learningRate: 0.01, weightDecay: 0.01, gradientScale: 0.3, emaDecay: 0.99)
    let results = bitsByThreadCount { pool in
      var state = State(weights: normalValues(count, seed: 1))
      for step in 1...3 {
        adam(
          weights: &state.weights, gradient: normalValues(count, seed: UInt64(step + 1)),
          firstMoment: &state.firstMoment, secondMoment: &state.secondMoment, ema: &state.ema,
          count: count, step: step, pool: pool)
      }
      return state.weights + state.firstMoment + state.secondMoment + state.ema
    }
    #expect(results.allSatisfy { $0 == results[0] })
    // A range of the elements by itself: what a rank does that has a part of the state.
    let part = min(count, 32)
    var alone = State(weights: Array(normalValues(count, seed: 1).prefix(part)))
    for step in 1...3 {
      alone.update(adam, Array(normalValues(count, seed: UInt64(step + 1)).prefix(part)), step: step)
    }
    #expect(bitPatterns(alone.weights) == Array(results[0].prefix(part)))
  }

  /// A gradient that is no number must not pass unseen.
  @Test func nanShows() {
    var state = State(weights: [1, 2, 3])
    state.update(AdamUpdate(learningRate: 0.01, emaDecay: 0.9), [1, .nan, 1], step: 1)
    #expect(state.weights.map(\.isNaN) == [false, true, false])
    #expect(state.ema.map(\.isNaN) == [false, true, false])
  }

  /// Beside the old values, or with new weights in the gradient's place: the numbers of the update in place.
  @Test(arguments: [1, 16, 33, 40_000]) func whereItWritesChangesNothing(count: Int) {
    let adam = AdamUpdate(learningRate: 0.01, weightDecay: 0.01, gradientScale: 0.3, emaDecay: 0.99)
    let pool = ThreadPool(threadCount: 2)
    let start = normalValues(count, seed: 1)
    var (inPlace, old) = (State(weights: start), State(weights: start))
    for step in 1...3 {
      let gradient = normalValues(count, seed: UInt64(step + 1))
      inPlace.update(adam, gradient, step: step)
      var (new, weights) = (old, gradient)
      let before = old
      func values(_ state: inout State, _ weights: UnsafeMutablePointer<Float>) -> AdamUpdate.Values {
        state.firstMoment.withUnsafeMutableBufferPointer { first in
          state.secondMoment.withUnsafeMutableBufferPointer { second in
            state.ema.withUnsafeMutableBufferPointer { ema in
              AdamUpdate.Values(
                weights: weights, firstMoment: first.baseAddress!, secondMoment: second.baseAddress!,
                ema: ema.baseAddress!)
            }
          }
        }
      }
      old.weights.withUnsafeMutableBufferPointer { oldWeights in
        weights.withUnsafeMutableBufferPointer { newWeights in
          var (source, target) = (before, new)
          adam(
            values(&source, oldWeights.baseAddress!), to: values(&target, newWeights.baseAddress!),
            gradient: newWeights.baseAddress!, count: count, step: step, pool: pool)
          #expect(source == before)
          new = target
        }
      }
      new.weights = weights
      #expect(new == inPlace)
      old = new
    }
  }
}

extension AdamUpdate {
  /// Updates `count` weights, their first and second moments and their average in place.
  ///
  /// - Parameter step: the number of this update, from 1.
  fileprivate func callAsFunction(
    weights: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>,
    firstMoment: UnsafeMutablePointer<Float>,
    secondMoment: UnsafeMutablePointer<Float>, ema: UnsafeMutablePointer<Float>, count: Int, step: Int,
    pool: ThreadPool
  ) {
    let values = Values(
      weights: weights, firstMoment: firstMoment, secondMoment: secondMoment, ema: ema)
    self(values, to: values, gradient: gradient, count: count, step: step, pool: pool)
  }
}
