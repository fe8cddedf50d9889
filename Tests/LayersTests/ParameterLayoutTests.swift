import Layers
import Randomness
import Tensors
import Testing

@Suite struct ParameterLayoutTests {
  /// A parameter's initial values, in PyTorch's order.
  private func initial(_ name: String, _ layout: ParameterLayout, seed: UInt64) throws -> [Float] {
    let parameter = try #require(layout.parameters.first { $0.name == name })
    let weights = layout.initialWeights(seed: seed)
    let values = withExtendedLifetime(weights) { parameter.exported(from: weights.pointer) }
    return values
  }

  /// A norm of `channels` before a convolution, whose parameters are then numbers 2 and 3 at another offset.
  private func layout(channels: Int) -> ParameterLayout {
    let builder = ParameterBuilder()
    _ = GroupNorm(builder["norm"], groups: 1, channels: channels)
    _ = Convolution2D(builder["conv"][0], 6, 10, kernel: 3)
    return builder.layout
  }

  @Test func parametersLieOneAfterTheOther() {
    let layout = layout(channels: 20)
    #expect(layout.parameters.map(\.name) == ["norm.weight", "norm.bias", "conv.0.weight", "conv.0.bias"])
    #expect(layout.parameters.map(\.fileShape) == [[20], [20], [10, 6, 3, 3], [10]])
    #expect(layout.parameters.map(\.shape) == [[20], [20], [9, 6, 10], [10]])
    // Each on a cache line of its own.
    #expect(layout.parameters.map(\.offset) == [0, 32, 64, 608])
    #expect(layout.flatCount == 624)
    #expect(layout.valueCount == 20 + 20 + 540 + 10)
  }

  @Test func gapsAreZero() {
    let layout = layout(channels: 20)
    let weights = layout.initialWeights(seed: 5)
    var isParameter = [Bool](repeating: false, count: layout.flatCount)
    for parameter in layout.parameters {
      for index in parameter.offset..<parameter.offset + parameter.count { isParameter[index] = true }
    }
    withExtendedLifetime(weights) {
      for index in 0..<layout.flatCount where !isParameter[index] { #expect(weights.elements[index] == 0) }
    }
  }

  /// (seed, number of the parameter, place in PyTorch's tensor) decide, not where the parameter lies.
  @Test func initialValuesDependOnSeedAndNumber() throws {
    let first = try initial("conv.0.weight", layout(channels: 20), seed: 5)
    #expect(try initial("conv.0.weight", layout(channels: 100), seed: 5) == first)
    #expect(try initial("conv.0.weight", layout(channels: 20), seed: 6) != first)

    let bound = 1 / Float(54).squareRoot()
    var expected = [Float](repeating: .nan, count: first.count)
    expected.withUnsafeMutableBufferPointer {
      RandomStream(seed: 5, purpose: .initialization, sample: 2).fillUniform($0, low: -bound, high: bound)
    }
    #expect(first == expected)
  }

  /// Uniform within PyTorch's bound: 1 / sqrt(fan in), for weights and bias alike.
  @Test func boundsArePyTorchs() throws {
    let builder = ParameterBuilder()
    _ = Convolution2D(builder["conv"], 28, 56, kernel: 3)
    _ = Convolution2D(builder["down"], 28, 56, kernel: 2, stride: 2, fileShape: [56, 112, 1, 1])
    _ = Linear(builder["linear"], 112, 224)
    _ = ImageAttention(
      builder["attention"], output: builder["attention"]["to_out"], kind: .softmax, channels: 56)
    _ = GroupNorm(builder["norm"], groups: 4, channels: 56)
    let layout = builder.layout
    for (name, fanIn) in [
      ("conv.weight", 252), ("conv.bias", 252), ("down.weight", 112), ("down.bias", 112),
      ("linear.weight", 112),
      ("linear.bias", 112), ("attention.to_qkv.weight", 56), ("attention.to_out.weight", 128),
      ("attention.to_out.bias", 128),
    ] {
      let values = try initial(name, layout, seed: 1)
      let bound = 1 / Float(fanIn).squareRoot()
      #expect(values.allSatisfy { -bound <= $0 && $0 < bound }, "\(name)")
      #expect(values.contains { $0 > 0.85 * bound } && values.contains { $0 < -0.85 * bound }, "\(name)")
      let mean = values.reduce(0, +) / Float(values.count)
      #expect(abs(mean) < 5 * bound / (3 * Float(values.count)).squareRoot(), "\(name)")
    }
    #expect(try initial("norm.weight", layout, seed: 1).allSatisfy { $0 == 1 })
    #expect(try initial("norm.bias", layout, seed: 1).allSatisfy { $0 == 0 })
  }
}
