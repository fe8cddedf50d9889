import Kernels
import NumericsTestSupport
import Tensors
import Testing

/// Gradients that the backward pass leaves to the update.
@Suite struct DeferralTests {
  private static let size = 2 * 4 * 4 * 96
  private static let weightCount = 9 * 96 * 96
  private let weight = Parameter(
    name: "weight", fileShape: [96, 96, 3, 3], outputs: 96, inputs: 96, taps: 9, offset: 0,
    initialization: .zeros)
  private let bias = Parameter(
    name: "bias", shape: [96], offset: DeferralTests.weightCount, initialization: .zeros)
  private static let flatCount = weightCount + 96
  private let engine = Engine(threadCount: 2)

  private enum Use: CaseIterable { case once, twice, standardized }

  private struct Pass {
    let tape: Tape
    let gradients: ParameterBuffer
    let completed: [Int]
  }

  /// Forward and backward, the gradients' memory being 7 before.
  private func pass(
    _ weights: ParameterBuffer, defers: Bool, use: Use = .once, recomputes: Bool = false, scale: Float = 1,
    profile: Profile? = nil
  ) -> Pass {
    let gradients = ParameterBuffer(count: Self.flatCount)
    gradients.elements.update(repeating: 7)
    let tape = Tape(
      engine: engine, weights: weights, gradients: gradients, recomputes: recomputes, defersGradients: defers,
      profile: profile)
    let x = tape.variable([2, 4, 4, 96])
    _ = x.elements.update(fromContentsOf: normalValues(Self.size, seed: 1).map { $0 * scale })
    func convolution(_ x: Tensor) -> Tensor {
      Tensor.convolution(
        [x], weights: tape(weight), bias: tape(bias), kernel: 3, padding: 1,
        standardizesWeights: use == .standardized)
    }
    let output = tape.checkpointed { use == .twice ? convolution(convolution(x)) : convolution(x) }
    let gradient = engine.storage(Self.size)
    _ = gradient.elements.update(fromContentsOf: normalValues(Self.size, seed: 2).map { $0 * scale })
    var completed: [Int] = []
    tape.backward(from: output, gradient: gradient) { completed += $0.map(\.offset) }
    return Pass(tape: tape, gradients: gradients, completed: completed)
  }

  private func weights() -> ParameterBuffer {
    let weights = ParameterBuffer(count: Self.flatCount)
    _ = weights.elements.update(fromContentsOf: normalValues(Self.flatCount, seed: 3))
    return weights
  }

  @Test(arguments: [false, true]) func whatIsDeferredIsMadeUpFor(recomputes: Bool) {
    let adam = AdamUpdate(learningRate: 0.01, emaDecay: 0)
    let moments = (0..<4).map { _ in ParameterBuffer(count: Self.weightCount) }
    let (plain, deferring) = (weights(), weights())
    func values(_ weights: ParameterBuffer, _ moment: Int) -> AdamUpdate.Values {
      AdamUpdate.Values(
        weights: weights.pointer, firstMoment: moments[moment].pointer,
        secondMoment: moments[moment + 1].pointer, ema: weights.pointer)
    }
    let kept = pass(plain, defers: false)
    #expect(kept.tape.deferred.all.isEmpty && kept.tape.deferred.areFinite())
    adam(
      values(plain, 0), to: values(plain, 0), gradient: kept.gradients.pointer, count: Self.weightCount,
      step: 1,
      pool: engine.threads)

    let pass = pass(deferring, defers: true, recomputes: recomputes)
    #expect(pass.completed.sorted() == [weight.offset, bias.offset])
    #expect(pass.gradients.elements[..<Self.weightCount].allSatisfy { $0 == 7 })
    let biasError = relativeError(
      of: Array(pass.gradients.elements[Self.weightCount...]),
      from: Array(kept.gradients.elements[Self.weightCount...]))
    #expect(biasError < 1e-5)
    #expect(pass.tape.deferred.ranges == [0..<Self.weightCount])
    #expect(pass.tape.deferred.areFinite())
    let squares = pass.tape.deferred.all[0].update(values(deferring, 2), by: AdamStep(adam, number: 1))
    let expected = Reduction.sumOfSquares(
      kept.gradients.pointer, count: Self.weightCount, pool: engine.threads)
    #expect(abs(squares - expected) < 1e-12 * expected)
    #expect(bitPatterns(Array(deferring.elements)) == bitPatterns(Array(plain.elements)))
    #expect(bitPatterns(Array(moments[2].elements)) == bitPatterns(Array(moments[0].elements)))
    #expect(bitPatterns(Array(moments[3].elements)) == bitPatterns(Array(moments[1].elements)))
  }

  /// What is added up, or comes of something else, is there as ever.
  @Test func othersAreNotDeferred() {
    for use in [Use.twice, .standardized] {
      let (kept, pass) = (pass(weights(), defers: false, use: use), pass(weights(), defers: true, use: use))
      #expect(pass.tape.deferred.all.isEmpty)
      #expect(bitPatterns(Array(pass.gradients.elements)) == bitPatterns(Array(kept.gradients.elements)))
    }
  }

  /// Products of numbers may be none.
  @Test(arguments: [(1, true), (1e14, true), (1e25, false), (.nan, false), (.infinity, false)])
  func whatIsNoNumberIsFound(scale: Float, isFinite: Bool) {
    #expect(pass(weights(), defers: true, scale: scale).tape.deferred.areFinite() == isFinite)
  }

  @Test func buffersAreKeptForTheUpdate() {
    let weights = weights()
    var deferred: FusedWeightGradients? = pass(weights, defers: true).tape.deferred
    // The input and the output's gradient.
    #expect(engine.buffersInUse == 2)
    withExtendedLifetime(deferred) {}
    deferred = nil
    #expect(engine.buffersInUse == 0)
  }

  @Test func aProfileTellsWhatWasDeferred() {
    let adam = AdamStep(AdamUpdate(learningRate: 0.01, emaDecay: 0), number: 1)
    let (kept, deferring) = (Profile(), Profile())
    _ = pass(weights(), defers: false, profile: kept)
    let (weights, moments) = (weights(), ParameterBuffer(count: 2 * Self.weightCount))
    let pass = pass(weights, defers: true, profile: deferring)
    let values = AdamUpdate.Values(
      weights: weights.pointer, firstMoment: moments.pointer,
      secondMoment: moments.pointer + Self.weightCount, ema: weights.pointer)
    for gradient in pass.tape.deferred.all { _ = gradient.update(values, by: adam) }
    #expect(deferring.events.map(\.kind) == [.forward, .backward, .update])
    #expect(deferring.events.map(\.name) == ["Convolution", "Convolution", "Convolution"])
    #expect(deferring.flops == kept.flops)
    let products = 2 * 32 * 9 * 96 * 96
    #expect(deferring.events.map(\.cost.flops) == [products, products, products])
    #expect(deferring.events[2].cost.bytes == 6 * 4 * Self.weightCount)
  }
}
