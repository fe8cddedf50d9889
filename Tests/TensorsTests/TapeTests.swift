import Kernels
import NumericsTestSupport
import Tensors
import Testing

/// What a tape keeps, for how long, and what it adds to.
@Suite struct TapeTests {
  private let weight = Parameter(
    name: "weight", fileShape: [4, 4, 3, 3], outputs: 4, inputs: 4, taps: 9, offset: 16,
    initialization: .zeros)
  private let bias = Parameter(name: "bias", shape: [4], offset: 160, initialization: .zeros)

  private func memory(seed: UInt64) -> ParameterBuffer {
    let memory = ParameterBuffer(count: 176)
    _ = memory.elements.update(fromContentsOf: normalValues(176, seed: seed))
    return memory
  }

  /// Three convolutions with the same parameters.
  private func network(_ tape: Tape) -> Tensor {
    var x = tape.input([1, 5, 5, 4])
    _ = x.elements.update(fromContentsOf: normalValues(100, seed: 1))
    for _ in 0..<3 {
      x = Tensor.convolution([x], weights: tape(weight), bias: tape(bias), kernel: 3, padding: 1).silu()
    }
    return x
  }

  private func gradient(_ engine: Engine, _ count: Int) -> Storage {
    let gradient = engine.storage(count)
    gradient.elements.update(repeating: 1)
    return gradient
  }

  @Test func buffersReturnAsBackwardProceeds() {
    let engine = Engine(threadCount: 1)
    let tape = Tape(engine: engine, weights: memory(seed: 2), gradients: memory(seed: 3))
    var output: Tensor? = network(tape)
    // Input, three convolutions, three activations: the last of these only as `output`.
    #expect(engine.buffersInUse == 7)
    if let output { tape.backward(from: output, gradient: gradient(engine, output.count)) }
    #expect(engine.buffersInUse == 1)
    output = nil
    #expect(engine.buffersInUse == 0)
    let kept = engine.bufferMemory
    // The next pass finds all it needs.
    let next = Tape(engine: engine, weights: memory(seed: 2), gradients: memory(seed: 3))
    let again = network(next)
    next.backward(from: again, gradient: gradient(engine, again.count))
    #expect(engine.bufferMemory == kept)
  }

  @Test func nothingIsKeptWithoutGradients() {
    let engine = Engine(threadCount: 1)
    let tape = Tape(engine: engine, weights: memory(seed: 2), gradients: nil)
    #expect(!tape.isRecording)
    let output = network(tape)
    #expect(engine.buffersInUse == 1)
    // A backward pass that was not recorded changes nothing.
    tape.backward(from: output, gradient: gradient(engine, output.count))
  }

  @Test func nothingIsKeptOfInputsAlone() {
    let engine = Engine(threadCount: 1)
    let tape = Tape(engine: engine, weights: memory(seed: 2), gradients: memory(seed: 3))
    let x = tape.zeros([2, 3])
    #expect(x.elements.allSatisfy { $0 == 0 })
    let y = x.silu().gelu() + x
    #expect(engine.buffersInUse == 2)
    withExtendedLifetime((x, y)) {}
  }

  @Test(arguments: [false, true]) func tapesGo(afterBackward: Bool) {
    let engine = Engine(threadCount: 1)
    weak var tape: Tape?
    weak var weights: ParameterBuffer?
    do {
      let values = memory(seed: 2)
      let used = Tape(engine: engine, weights: values, gradients: memory(seed: 3))
      (tape, weights) = (used, values)
      let output = network(used)
      if afterBackward { used.backward(from: output, gradient: gradient(engine, output.count)) }
      withExtendedLifetime(used) {}
    }
    #expect(tape == nil)
    #expect(weights == nil)
    #expect(engine.buffersInUse == 0)
  }

  @Test func storageOutlivesItsEngine() {
    var engine: Engine? = Engine(threadCount: 1)
    let storage = engine?.storage(10)
    storage?.elements.update(repeating: 3)
    engine = nil
    #expect(storage.map { Array($0.elements) } == [Float](repeating: 3, count: 10))
  }

  @Test func buffersAreAligned() {
    let engine = Engine(threadCount: 1)
    let storages = [1, 7, 1024, 1025, 100_000].map { engine.storage($0) }
    #expect(storages.allSatisfy { UInt(bitPattern: $0.pointer) % 64 == 0 })
    #expect(storages.map(\.count) == [1, 7, 1024, 1025, 100_000])
    #expect(Set(storages.map { UInt(bitPattern: $0.pointer) }).count == 5)
  }

  /// Gradients are written over what is there, in the parameters' places and nowhere else.
  @Test func parametersGradientsAreWritten() {
    func pass(startingFrom start: ParameterBuffer) -> [Float] {
      let tape = Tape(engine: Engine(threadCount: 2), weights: memory(seed: 2), gradients: start)
      let output = network(tape)
      tape.backward(from: output, gradient: gradient(tape.engine, output.count))
      return Array(start.elements)
    }
    let fromZero = pass(startingFrom: ParameterBuffer(count: 176))
    let start = normalValues(176, seed: 5)
    let fromStart = pass(startingFrom: memory(seed: 5))
    #expect(bitPatterns(Array(fromStart[16..<164])) == bitPatterns(Array(fromZero[16..<164])))
    #expect(fromZero[..<16].allSatisfy { $0 == 0 } && fromZero[164...].allSatisfy { $0 == 0 })
    #expect(fromStart[..<16].elementsEqual(start[..<16]) && fromStart[164...].elementsEqual(start[164...]))
    #expect(fromZero[16..<164].allSatisfy { $0 != 0 })
  }

  /// Parameters without a part in the output get zeros: those that were used when the backward pass comes by, others on
  /// demand.
  @Test func otherGradientsAreCleared() {
    let gradients = memory(seed: 3)
    let tape = Tape(engine: Engine(threadCount: 1), weights: memory(seed: 2), gradients: gradients)
    let x = tape.variable([4])
    x.elements.update(repeating: 1)
    let unrelated = tape(bias) + x
    let output = x.silu()
    tape.clearUnusedGradients(of: [weight, bias])
    #expect(gradients.elements[16..<160].allSatisfy { $0 == 0 })
    #expect(gradients.elements[160..<164].allSatisfy { $0 != 0 })
    tape.backward(from: output, gradient: gradient(tape.engine, 4))
    #expect(gradients.elements[160..<164].allSatisfy { $0 == 0 })
    withExtendedLifetime(unrelated) {}
  }

  /// A parameter used three times gets what three parameters of the same values would get together.
  @Test func sharedParametersGradientsAddUp() {
    let values = normalValues(148, seed: 8)
    let check = GradientCheck([[1, 5, 5, 4], [9, 4, 4], [4], [9, 4, 4], [4], [9, 4, 4], [4]]) {
      var x = $0[0]
      for layer in 0..<3 {
        x = Tensor.convolution(
          [x], weights: $0[1 + 2 * layer], bias: $0[2 + 2 * layer], kernel: 3, padding: 1
        )
        .silu()
      }
      return x
    }
    let engine = Engine(threadCount: 1)
    func gradients(separate: Bool) -> (weight: [Float], bias: [Float]) {
      let weights = ParameterBuffer(count: separate ? 480 : 160)
      let gradients = ParameterBuffer(count: weights.count)
      let tape = Tape(engine: engine, weights: weights, gradients: gradients)
      var x = tape.input([1, 5, 5, 4])
      _ = x.elements.update(fromContentsOf: check.values[0])
      for layer in 0..<3 {
        let start = separate ? 160 * layer : 0
        _ = UnsafeMutableBufferPointer(rebasing: weights.elements[start..<start + 148])
          .update(fromContentsOf: values)
        let parameters = [
          Parameter(
            name: "w", fileShape: [4, 4, 3, 3], outputs: 4, inputs: 4, taps: 9, offset: start,
            initialization: .zeros),
          Parameter(name: "b", shape: [4], offset: start + 144, initialization: .zeros),
        ]
        x = Tensor.convolution(
          [x], weights: tape(parameters[0]), bias: tape(parameters[1]), kernel: 3, padding: 1
        )
        .silu()
      }
      tape.backward(from: x, gradient: gradient(engine, x.count))
      var sum = [Float](repeating: 0, count: 148)
      for layer in 0..<(separate ? 3 : 1) {
        for index in 0..<148 { sum[index] += gradients.elements[160 * layer + index] }
      }
      return (Array(sum[..<144]), Array(sum[144...]))
    }
    let (shared, separate) = (gradients(separate: false), gradients(separate: true))
    #expect(relativeError(of: shared.weight, from: separate.weight) < 1e-6)
    #expect(relativeError(of: shared.bias, from: separate.bias) < 1e-6)
  }

  /// The gradient that the caller hands over stays the caller's.
  @Test func outputsGradientIsNotChanged() {
    let engine = Engine(threadCount: 1)
    let tape = Tape(engine: engine, weights: memory(seed: 2), gradients: memory(seed: 3))
    let x = tape.variable([4])
    x.elements.update(repeating: 1)
    let gradient = gradient(engine, 4)
    tape.backward(from: x + x + x, gradient: gradient)
    #expect(Array(gradient.elements) == [1, 1, 1, 1])
    #expect(tape.gradient(of: x).map { Array($0.elements) } == [3, 3, 3, 3])
  }
}
