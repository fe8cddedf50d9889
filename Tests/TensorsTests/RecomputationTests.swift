import Kernels
import NumericsTestSupport
import Tensors
import Testing

/// Stages that the backward pass computes again.
@Suite struct RecomputationTests {
  private let weight = Parameter(
    name: "weight", fileShape: [4, 4], outputs: 4, inputs: 4, offset: 0, initialization: .zeros)
  private let bias = Parameter(name: "bias", shape: [4], offset: 16, initialization: .zeros)
  private let mean = Parameter(
    name: "mean", shape: [4], offset: 32, initialization: .zeros, role: .runningAverage(momentum: 0.1))
  private let variance = Parameter(
    name: "variance", shape: [4], offset: 48, initialization: .ones, role: .runningAverage(momentum: 0.1))

  private func memory(seed: UInt64) -> ParameterBuffer {
    let memory = ParameterBuffer(count: 64)
    _ = memory.elements.update(fromContentsOf: normalValues(64, seed: seed))
    return memory
  }

  private func input(_ tape: Tape) -> Tensor {
    let x = tape.input([6, 4])
    _ = x.elements.update(fromContentsOf: normalValues(24, seed: 1))
    return x
  }

  /// Two activations of a linear map, of 4 tensors that are kept: x, two products, an activation.
  private func stage(_ x: Tensor) -> Tensor {
    let tape = x.tape
    return tape.checkpointed {
      let h = x.linear(weights: tape(weight), bias: tape(bias)).silu()
      return h.linear(weights: tape(weight), bias: tape(bias)).gelu()
    }
  }

  private func backward(_ tape: Tape, from output: Tensor) {
    let gradient = tape.engine.storage(output.count)
    gradient.elements.update(repeating: 1)
    tape.backward(from: output, gradient: gradient)
  }

  @Test func onlyTheInputIsKept() {
    let engine = Engine(threadCount: 1)
    var kept: [Int] = []
    for recomputes in [false, true] {
      let tape = Tape(
        engine: engine, weights: memory(seed: 2), gradients: memory(seed: 3), recomputes: recomputes)
      var output: Tensor? = stage(stage(input(tape)))
      kept.append(engine.buffersInUse)
      if let output { backward(tape, from: output) }
      output = nil
      #expect(engine.buffersInUse == 0)
    }
    // Twice three, the input between the stages, the output; and the two stages' inputs with the output.
    #expect(kept == [9, 3])
  }

  /// A stage whose input is used outside of it as well, and whose output is used twice.
  @Test func gradientsHaveTheSameBits() {
    func gradients(recomputes: Bool) -> (flat: [Float], input: [Float]?, completed: [Int]) {
      let engine = Engine(threadCount: 1)
      let gradients = memory(seed: 3)
      let tape = Tape(engine: engine, weights: memory(seed: 2), gradients: gradients, recomputes: recomputes)
      let x = tape.variable([6, 4])
      _ = x.elements.update(fromContentsOf: normalValues(24, seed: 1))
      let y = stage(x)
      let z = stage(y + x) + y.gelu()
      let output = z.linear(weights: tape(weight), bias: tape(bias)) + x
      let gradient = engine.storage(24)
      _ = gradient.elements.update(fromContentsOf: normalValues(24, seed: 4))
      var completed: [Int] = []
      tape.backward(from: output, gradient: gradient) { completed += $0.map(\.offset) }
      return (Array(gradients.elements), tape.gradient(of: x).map { Array($0.elements) }, completed)
    }
    let (kept, recomputed) = (gradients(recomputes: false), gradients(recomputes: true))
    #expect(bitPatterns(kept.flat) == bitPatterns(recomputed.flat))
    #expect(kept.input.map(bitPatterns) == recomputed.input.map(bitPatterns) && kept.input != nil)
    #expect(kept.completed == recomputed.completed && kept.completed.count == 2)
  }

  /// By the time of the backward pass, what the averages left may have gone to other ranks, and their sum be in its place.
  @Test func runningAveragesAreLeftOnce() {
    let gradients = memory(seed: 3)
    let tape = Tape(
      engine: Engine(threadCount: 1), weights: memory(seed: 2), gradients: gradients, recomputes: true)
    let x = tape.variable([6, 4])
    _ = x.elements.update(fromContentsOf: normalValues(24, seed: 1))
    let output = tape.checkpointed {
      x.batchNormalized(
        gamma: tape(bias), beta: tape(bias), runningMean: tape(mean), runningVariance: tape(variance))
    }
    let expected = (0..<4).map { channel in (0..<6).reduce(0) { $0 + x.elements[4 * $1 + channel] } / 6 }
    #expect(relativeError(of: Array(gradients.elements[32..<36]), from: expected) < 1e-6)
    gradients.elements[32..<52].update(repeating: 7)
    backward(tape, from: output)
    #expect(gradients.elements[32..<52].allSatisfy { $0 == 7 })
    #expect(gradients.elements[16..<20].allSatisfy { $0 != 0 })
  }

  @Test func weightsAreAskedForOnce() {
    var uses: [Int] = []
    let tape = Tape(
      engine: Engine(threadCount: 1), weights: memory(seed: 2), gradients: memory(seed: 3), recomputes: true
    ) { uses.append($0.offset) }
    backward(tape, from: stage(input(tape)))
    #expect(uses == [0, 16, 0, 16])
  }

  /// A stage in a stage is computed with it, and not once more on its own.
  @Test(arguments: [false, true]) func stagesAreComputedTwice(nested: Bool) {
    var runs = 0
    let tape = Tape(
      engine: Engine(threadCount: 1), weights: memory(seed: 2), gradients: memory(seed: 3), recomputes: true)
    let x = tape.variable([6, 4])
    x.elements.update(repeating: 1)
    func inner() -> Tensor {
      tape.checkpointed {
        runs += 1
        return x.silu()
      }
    }
    backward(tape, from: nested ? tape.checkpointed { inner().gelu() } : inner())
    #expect(runs == 2)
  }

  /// Without a backward pass, or a part in what it starts from, nothing is computed again.
  @Test func stagesWithoutGradientsAreComputedOnce() {
    for (recomputes, isRecording) in [(false, true), (true, false)] {
      var runs = 0
      let tape = Tape(
        engine: Engine(threadCount: 1), weights: memory(seed: 2),
        gradients: isRecording ? memory(seed: 3) : nil, recomputes: recomputes)
      // A variable would be reason enough to record.
      let x = isRecording ? tape.variable([6, 4]) : tape.input([6, 4])
      x.elements.update(repeating: 1)
      backward(
        tape,
        from: tape.checkpointed {
          runs += 1
          return x.silu()
        })
      #expect(runs == 1)
    }
    var runs = 0
    let tape = Tape(
      engine: Engine(threadCount: 1), weights: memory(seed: 2), gradients: memory(seed: 3), recomputes: true)
    let x = tape.variable([6, 4])
    x.elements.update(repeating: 1)
    let unrelated = tape.checkpointed {
      runs += 1
      return x.silu()
    }
    backward(tape, from: x.gelu())
    #expect(runs == 1)
    withExtendedLifetime(unrelated) {}
  }

  /// What a stage gives may be what it was given.
  @Test func stagesMayDoNothing() {
    let tape = Tape(
      engine: Engine(threadCount: 1), weights: memory(seed: 2), gradients: memory(seed: 3), recomputes: true)
    let x = tape.variable([6, 4])
    x.elements.update(repeating: 1)
    backward(tape, from: tape.checkpointed { x })
    #expect(tape.gradient(of: x).map { Array($0.elements) } == [Float](repeating: 1, count: 24))
  }

  @Test func aProfileTellsThemApart() {
    func profile(recomputes: Bool) -> Profile {
      let profile = Profile()
      let tape = Tape(
        engine: Engine(threadCount: 1), weights: memory(seed: 2), gradients: memory(seed: 3),
        recomputes: recomputes, profile: profile)
      backward(tape, from: stage(input(tape)))
      return profile
    }
    let (kept, recomputed) = (profile(recomputes: false), profile(recomputes: true))
    #expect(recomputed.flops == kept.flops && kept.flops > 0)
    #expect(recomputed.operations.map(\.name) == kept.operations.map(\.name))
    #expect(!kept.events.contains { $0.kind == .recomputation })
    let again = recomputed.events.filter { $0.kind == .recomputation }
    #expect(again.map(\.name) == kept.operations.map(\.name))
    #expect(again.map(\.cost.bytes) == kept.operations.map(\.forward.bytes))
    #expect(
      recomputed.events.filter { $0.kind == .backward }.map(\.name)
        == kept.events.filter { $0.kind == .backward }.map(\.name))
  }
}
