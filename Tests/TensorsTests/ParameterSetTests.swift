import Kernels
import NumericsTestSupport
import Tensors
import TestSupport
import Testing

/// Several sets of parameters on one tape: a trained matrix after a frozen one, at the same offset of their memories.
@Suite struct ParameterSetTests {
  private let frozenSet = ParameterSetIdentity("frozen")
  private let trainedSet = ParameterSetIdentity("trained")

  private func matrix(_ set: ParameterSetIdentity) -> Parameter {
    Parameter(
      name: "weight", fileShape: [4, 4], outputs: 4, inputs: 4, offset: 0, initialization: .zeros, set: set)
  }

  private func bias(_ set: ParameterSetIdentity) -> Parameter {
    Parameter(name: "bias", shape: [4], offset: 16, initialization: .zeros, set: set)
  }

  private func memory(_ seed: UInt64) -> ParameterBuffer {
    let buffer = ParameterBuffer(count: 32)
    _ = buffer.elements.update(fromContentsOf: normalValues(32, seed: seed))
    return buffer
  }

  private func gradients(bindsFrozen: Bool) -> (
    trained: [Float], input: [Float]?, places: Set<ParameterPlace>
  ) {
    let engine = Engine(threadCount: 1)
    let (frozen, trained) = (memory(1), memory(2))
    let (frozenGradients, gradients) = (memory(3), memory(4))
    let tape = Tape(
      engine: engine,
      sets: [
        BoundParameters(trainedSet, weights: trained, gradients: gradients),
        BoundParameters(frozenSet, weights: frozen, gradients: bindsFrozen ? nil : frozenGradients),
      ])
    return withExtendedLifetime((frozen, trained, frozenGradients, gradients)) {
      let x = tape.variable([3, 4])
      _ = x.elements.update(fromContentsOf: normalValues(12, seed: 5))
      func layer(_ x: Tensor, _ set: ParameterSetIdentity) -> Tensor {
        x.linear(weights: tape(matrix(set)), bias: tape(bias(set)))
      }
      let output = layer(layer(x, frozenSet).silu(), trainedSet)
      let used = tape.usedParameters
      let gradient = engine.storage(output.count)
      _ = gradient.elements.update(fromContentsOf: normalValues(output.count, seed: 6))
      tape.backward(from: output, gradient: gradient)
      return (Array(gradients.elements[..<20]), tape.gradient(of: x).map { Array($0.elements) }, used)
    }
  }

  /// Freezing a set changes no bit of the other gradients, and those of the input go through it.
  @Test func frozenSetsGetNoGradients() {
    let (all, some) = (gradients(bindsFrozen: false), gradients(bindsFrozen: true))
    #expect(bitPatterns(all.trained) == bitPatterns(some.trained))
    #expect(all.input.map(bitPatterns) == some.input.map(bitPatterns) && some.input != nil)
    #expect(all.places.count == 4)
    #expect(some.places == [ParameterPlace(set: 0, offset: 0), ParameterPlace(set: 0, offset: 16)])
  }

  @Test func aTapeOfFrozenSetsRecordsNothing() {
    let tape = Tape(
      engine: Engine(threadCount: 1),
      sets: [BoundParameters(frozenSet, weights: memory(1)), BoundParameters(trainedSet, weights: memory(2))])
    #expect(!tape.isRecording && !tape.trains(matrix(frozenSet)))
  }

  @Test func aParameterOfAnotherSetTraps() async {
    await #expect(processExitsWith: .failure) {
      let (bound, other) = (ParameterSetIdentity("bound"), ParameterSetIdentity("other"))
      let tape = Tape(
        engine: Engine(threadCount: 1),
        sets: [BoundParameters(bound, weights: ParameterBuffer(count: 32))])
      _ = tape(Parameter(name: "b", shape: [4], offset: 0, initialization: .zeros, set: other))
    }
  }

  /// Also where a single set is bound without its name.
  @Test func aSecondSetOnATapeOfOneTraps() async {
    await #expect(processExitsWith: .failure) {
      let tape = Tape(
        engine: Engine(threadCount: 1), weights: ParameterBuffer(count: 32), gradients: nil)
      for name in ["first", "second"] {
        _ = tape(
          Parameter(
            name: "b", shape: [4], offset: 0, initialization: .zeros, set: ParameterSetIdentity(name)))
      }
    }
  }
}

/// A parameter made of several file tensors.
@Suite struct FileTensorTests {
  @Test func queriesKeysAndValuesFillOneMatrix() throws {
    let parameter = Parameter(
      name: "to_q.weight", fileShape: [9, 2], outputs: 9, inputs: 2, offset: 16, initialization: .zeros,
      parts: [
        .init("to_q.weight", outputs: 4), .init("to_k.weight", outputs: 3), .init("to_v.weight", outputs: 2),
      ])
    let tensors = parameter.fileTensors
    #expect(tensors.map(\.name) == ["to_q.weight", "to_k.weight", "to_v.weight"])
    #expect(tensors.map(\.shape) == [[4, 2], [3, 2], [2, 2]])
    let memory = ParameterBuffer(count: 40)
    let values = tensors.enumerated().map { index, tensor in
      (0..<tensor.count).map { Float(100 * (index + 1) + $0) }
    }
    for (tensor, values) in zip(tensors, values) { tensor.import(from: values, to: memory.pointer) }
    // [inputs, outputs] in memory: the first input of all outputs, then the second.
    #expect(Array(memory.elements[16..<25]) == [100, 102, 104, 106, 200, 202, 204, 300, 302])
    #expect(Array(memory.elements[25..<34]) == [101, 103, 105, 107, 201, 203, 205, 301, 303])
    for (tensor, values) in zip(tensors, values) { #expect(tensor.exported(from: memory.pointer) == values) }
    #expect(parameter.exported(from: memory.pointer) == values.flatMap { $0 })
    var stretches: [Float] = []
    tensors[1].exportStretches(from: memory.pointer + 16, startingAt: 16) { stretches += Array($0) }
    #expect(stretches == values[1])
  }
}
