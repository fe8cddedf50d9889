import Kernels
import NumericsTestSupport
import Tensors
import Testing

/// What a profile is told by a tape.
@Suite struct ProfileTests {
  private static let weight = Parameter(
    name: "stem.proj.weight", fileShape: [6, 4, 3, 3], outputs: 6, inputs: 4, taps: 9, offset: 0,
    initialization: .zeros)
  private static let bias = Parameter(
    name: "stem.proj.bias", shape: [6], offset: 224, initialization: .zeros)
  private static let gamma = Parameter(
    name: "stem.norm.weight", shape: [6], offset: 240, initialization: .ones)
  private static let beta = Parameter(
    name: "stem.norm.bias", shape: [6], offset: 256, initialization: .zeros)

  /// A convolution of an input, a normalisation, and a sum of two of its results; forward and backward.
  private func profile(isRecording: Bool) -> Profile {
    let profile = Profile()
    let engine = Engine(threadCount: 1)
    let weights = ParameterBuffer(count: 272)
    let tape = Tape(
      engine: engine, weights: weights, gradients: isRecording ? ParameterBuffer(count: 272) : nil,
      profile: profile)
    let x = tape.zeros([2, 5, 7, 4])
    let y = Tensor.convolution(
      [x], weights: tape(Self.weight), bias: tape(Self.bias), kernel: 3, padding: 1
    ).groupNormalized(groups: 2, gamma: tape(Self.gamma), beta: tape(Self.beta))
    let output = y + y.silu()
    if isRecording {
      let gradient = engine.storage(output.count)
      gradient.elements.update(repeating: 1)
      profile.measure("back", .group) { tape.backward(from: output, gradient: gradient) }
    }
    return profile
  }

  @Test func operationsAreNamedInTheirOrder() {
    for isRecording in [false, true] {
      let operations = profile(isRecording: isRecording).operations
      #expect(operations.map(\.name) == ["Convolution", "GroupNormalization", "Activation", "Addition"])
      #expect(operations.map(\.layer) == ["stem.proj", "stem.norm", "", ""])
      #expect(operations[0].shape is ConvolutionShape && operations[1].shape is GroupNormalization)
    }
  }

  /// By hand: 2 x 5 x 7 pixels of 6 channels, each of 3 x 3 x 4 products; the input needs no gradient.
  @Test func arithmeticIsCountedByDefinition() {
    let products = 2 * 5 * 7 * 6 * 3 * 3 * 4
    let recorded = profile(isRecording: true)
    #expect(recorded.operations.map(\.forward.flops) == [2 * products, 0, 0, 0])
    #expect(recorded.operations.map(\.backward.flops) == [2 * products, 0, 0, 0])
    #expect(recorded.flops == 4 * products)
    #expect(profile(isRecording: false).flops == 2 * products)
  }

  /// By hand, in floats: x, weights, bias and y forward; dy, these, and the gradients of weights and bias backward.
  @Test func bytesAreThoseOfTheTensors() {
    let (x, y, weights) = (2 * 5 * 7 * 4, 2 * 5 * 7 * 6, 216 + 6)
    let recorded = profile(isRecording: true).operations
    #expect(recorded[0].forward.bytes == 4 * (x + weights + y))
    let back = y + x + weights + weights
    #expect(recorded[0].backward.bytes == 4 * back)
    #expect(recorded[3].forward.bytes == 4 * 3 * y)
    let forwardOnly = profile(isRecording: false).operations
    #expect(forwardOnly[0].forward == recorded[0].forward)
    #expect(forwardOnly.allSatisfy { $0.backward.flops == 0 && $0.backward.bytes == 0 })
  }

  @Test func theWayBackIsTheReverse() {
    let events = profile(isRecording: true).events
    let (forward, backward) = (events.filter { $0.kind == .forward }, events.filter { $0.kind == .backward })
    #expect(backward.map(\.name) == forward.map(\.name).reversed())
    #expect(backward.map(\.layer) == forward.map(\.layer).reversed())
    for (earlier, later) in zip(events.dropLast(2), events.dropFirst()) {
      #expect(earlier.end <= later.start)
    }
    // The group ends last and spans the backward pass.
    let group = events[events.count - 1]
    #expect(group.name == "back" && group.kind == .group)
    #expect(backward.allSatisfy { group.start <= $0.start && $0.end <= group.end })
  }

  @Test func aLayerIsWhatItsParametersShare() {
    for (parameters, layer) in [
      (["a.b.weight", "a.b.bias"], "a.b"), (["a.to_qkv.weight", "a.to_out.0.weight"], "a"),
      (["a.bc.weight", "a.b.weight"], "a"), (["weight", "a.bias"], ""), ([], ""),
    ] {
      #expect(Profile.module(of: parameters) == layer)
    }
  }

  @Test func measuringChangesNoResultAndKeepsErrors() throws {
    struct Failure: Error {}
    let profile: Profile? = Profile()
    #expect(profile.measure("sum", .phase) { 1 + 1 } == 2)
    #expect(throws: Failure.self) { try profile.measure("failure", .phase) { throw Failure() } }
    #expect(profile?.events.map(\.name) == ["sum", "failure"])
    let none: Profile? = nil
    #expect(none.measure("sum", .phase) { 1 + 1 } == 2)
  }
}
