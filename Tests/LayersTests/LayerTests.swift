import Foundation
import Kernels
import Layers
import NumericsTestSupport
import Tensors
import Testing

/// Layers against the reference kernels, with weights in PyTorch's layout.
@Suite struct LayerTests {
  /// Runs `layer` on `x` with the layout's initial weights, and hands these over in PyTorch's order by name.
  private func run(
    _ layout: ParameterLayout, _ shape: [Int], _ x: [Float], _ layer: (Tensor) -> Tensor
  ) -> (output: [Float], weights: [String: [Float]]) {
    let flat = layout.initialWeights(seed: 3)
    let tape = Tape(engine: Engine(threadCount: 2), weights: flat, gradients: nil)
    let input = tape.input(shape)
    _ = input.elements.update(fromContentsOf: x)
    let output = layer(input)
    var weights: [String: [Float]] = [:]
    for parameter in layout.parameters {
      let values = parameter.exported(from: flat.pointer)
      weights[parameter.name] = values
    }
    return withExtendedLifetime(output) { (Array(output.elements), weights) }
  }

  /// PyTorch's [K, C, R, R] as [R, R, C, K].
  private func memoryOrder(_ weights: [Float], outputs: Int, inputs: Int, taps: Int) -> [Float] {
    (0..<weights.count).map { index in
      let (tap, input, output) = (index / (inputs * outputs), index / outputs % inputs, index % outputs)
      return weights[(output * inputs + input) * taps + tap]
    }
  }

  @Test(arguments: [false, true]) func convolution(isStandardized: Bool) throws {
    let builder = ParameterBuilder()
    let layer = Convolution2D(
      builder["conv"], 5, 7, kernel: 3, stride: 2, padding: 1, isStandardized: isStandardized)
    let x = normalValues(2 * 6 * 5 * 5, seed: 1)
    let (output, weights) = run(builder.layout, [2, 6, 5, 5], x) { layer($0) }
    var kernel = memoryOrder(try #require(weights["conv.weight"]), outputs: 7, inputs: 5, taps: 9)
    if isStandardized {
      let plain = kernel
      ReferenceWeightStandardization.forward(plain, fanIn: 45, outputs: 7, standardized: &kernel)
    }
    let shape = ConvolutionShape(
      batch: 2, height: 6, width: 5, inputChannels: [5], outputChannels: 7, kernel: 3, stride: 2, padding: 1)
    var expected = [Float](repeating: .nan, count: output.count)
    x.withUnsafeBufferPointer {
      ReferenceConvolution.forward(
        shape, inputs: [$0.baseAddress!], weights: kernel, bias: weights["conv.bias"], output: &expected)
    }
    #expect(relativeError(of: output, from: expected) < 2e-6)
  }

  @Test func linear() throws {
    let builder = ParameterBuilder()
    let layer = Linear(builder["linear"], 5, 3)
    let x = normalValues(4 * 5, seed: 1)
    let (output, weights) = run(builder.layout, [4, 5], x) { layer($0) }
    let (w, b) = (try #require(weights["linear.weight"]), try #require(weights["linear.bias"]))
    let expected = (0..<12).map { index -> Double in
      let (row, column) = (index / 3, index % 3)
      let products = (0..<5).map { Double(x[row * 5 + $0]) * Double(w[column * 5 + $0]) }
      return products.reduce(Double(b[column]), +)
    }
    #expect(relativeError(of: output.map(Double.init), from: expected) < 1e-6)
  }

  @Test(arguments: [AttentionKind.softmax, .linear]) func attention(kind: AttentionKind) throws {
    let builder = ParameterBuilder()
    let layer = ImageAttention(
      builder["a"], output: builder["a"]["to_out"], kind: kind, channels: 6, heads: 2, headWidth: 16)
    let x = normalValues(2 * 3 * 4 * 6, seed: 1)
    let (output, weights) = run(builder.layout, [2, 3, 4, 6], x) { layer($0) }
    let qkv = memoryOrder(try #require(weights["a.to_qkv.weight"]), outputs: 96, inputs: 6, taps: 1)
    let out = memoryOrder(try #require(weights["a.to_out.weight"]), outputs: 6, inputs: 32, taps: 1)
    var expected = [Float](repeating: .nan, count: output.count)
    ReferenceSelfAttention.forward(
      SelfAttention(kind: kind, batch: 2, tokens: 12, channels: 6, heads: 2, headWidth: 16), x,
      qkvWeights: qkv,
      outputWeights: out, bias: try #require(weights["a.to_out.bias"]), output: &expected)
    #expect(relativeError(of: output, from: expected) < 2e-6)
  }

  @Test func embedding() throws {
    let builder = ParameterBuilder()
    let layer = Embedding(builder["label_embed"], rows: 3, width: 5)
    let (output, weights) = run(builder.layout, [1], [0]) { layer([2, nil, 0], on: $0.tape) }
    let table = try #require(weights["label_embed.weight"])
    #expect(output == Array(table[10...]) + [0, 0, 0, 0, 0] + Array(table[..<5]))
    #expect(builder.layout.parameters.map(\.fileShape) == [[3, 5]])
  }

  @Test func transposedConvolution() throws {
    let builder = ParameterBuilder()
    let layer = TransposedConvolution2D(builder["up"], 5, 7, kernel: 4, stride: 2, padding: 1)
    let x = normalValues(2 * 3 * 4 * 5, seed: 1)
    let (output, weights) = run(builder.layout, [2, 3, 4, 5], x) { layer($0) }
    #expect(builder.layout.parameters.map(\.fileShape) == [[5, 7, 4, 4], [7]])
    // PyTorch's definition: each input pixel adds its value times the kernel [C, K, R, R] around where it goes.
    let kernel = try #require(weights["up.weight"])
    let bias = try #require(weights["up.bias"])
    var expected = (0..<2 * 6 * 8 * 7).map { Double(bias[$0 % 7]) }
    for (index, value) in x.enumerated() {
      let (channel, column, row, image) = (index % 5, index / 5 % 4, index / 20 % 3, index / 60)
      for (tap, output) in (0..<16).flatMap({ tap in (0..<7).map { (tap, $0) } }) {
        let (y, x) = (2 * row - 1 + tap / 4, 2 * column - 1 + tap % 4)
        guard (0..<6).contains(y), (0..<8).contains(x) else { continue }
        expected[((image * 6 + y) * 8 + x) * 7 + output] +=
          Double(kernel[(channel * 7 + output) * 16 + tap]) * Double(value)
      }
    }
    #expect(relativeError(of: output.map(Double.init), from: expected) < 2e-6)
  }

  /// Training leaves the batch's statistics where gradients go, else the running ones count.
  @Test func batchNorm() {
    let builder = ParameterBuilder()
    let layer = BatchNorm(builder["norm"], channels: 6)
    let layout = builder.layout
    #expect(
      layout.parameters.map(\.name) == ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"])
    #expect(layout.batchCounters == ["norm.num_batches_tracked"])
    let average = Parameter.Role.runningAverage(momentum: 0.1)
    #expect(layout.parameters.map(\.role) == [.trained, .trained, average, average])

    let weights = ParameterBuffer(count: layout.flatCount)
    let values = normalValues(layout.flatCount, seed: 1).map { abs($0) + 0.5 }
    _ = weights.elements.update(fromContentsOf: values)
    func stored(_ memory: ParameterBuffer, _ index: Int) -> [Float] {
      let start = layout.parameters[index].offset
      return Array(memory.elements[start..<start + 6])
    }
    let x = normalValues(2 * 3 * 4 * 6, seed: 2).map { 2 * $0 + 1 }
    let norm = BatchNormalization(rows: 24, channels: 6)
    let own = ReferenceBatchNormalization.measure(norm, x)
    for isTraining in [true, false] {
      let gradients = ParameterBuffer(count: layout.flatCount)
      let tape = Tape(
        engine: Engine(threadCount: 2), weights: weights, gradients: isTraining ? gradients : nil)
      let input = tape.input([2, 3, 4, 6])
      _ = input.elements.update(fromContentsOf: x)
      let output = layer(input)
      let (mean, variance) =
        isTraining ? own : (stored(weights, 2).map(Double.init), stored(weights, 3).map(Double.init))
      var expected = [Float](repeating: .nan, count: x.count)
      ReferenceBatchNormalization.forward(
        norm, x, mean: mean, variance: variance, gamma: stored(weights, 0), beta: stored(weights, 1),
        output: &expected)
      #expect(relativeError(of: Array(output.elements), from: expected) < 2e-6)
      let found = (stored(gradients, 2).map(Double.init), stored(gradients, 3).map(Double.init))
      if isTraining {
        #expect(relativeError(of: found.0, from: own.mean) < 1e-6)
        #expect(relativeError(of: found.1, from: own.variance.map { $0 * 24 / 23 }) < 1e-6)
      } else {
        #expect((found.0 + found.1).allSatisfy { $0 == 0 })
      }
    }
  }

  /// A convolution before a batch normalisation leaves no gradient for its bias.
  @Test func biasBeforeBatchNorm() {
    for precedes in [false, true] {
      let builder = ParameterBuilder()
      let layer = Convolution2D(builder["conv"], 4, 6, kernel: 3, padding: 1, precedesBatchNorm: precedes)
      let (layout, weights) = (builder.layout, builder.layout.initialWeights(seed: 1))
      let gradients = ParameterBuffer(count: layout.flatCount)
      let tape = Tape(engine: Engine(threadCount: 1), weights: weights, gradients: gradients)
      let x = tape.input([1, 4, 5, 4])
      _ = x.elements.update(fromContentsOf: normalValues(80, seed: 2))
      let output = layer(x)
      let gradient = tape.engine.storage(output.count)
      gradient.elements.update(repeating: 1)
      tape.backward(from: output, gradient: gradient)
      let bias = layout.parameters[1]
      let found = Array(gradients.elements[bias.offset..<bias.offset + bias.count])
      #expect(found == [Float](repeating: precedes ? 0 : 20, count: 6))
    }
  }

  @Test(arguments: [1, 7, 10, 100]) func alternatingSinusoids(width: Int) {
    let timesteps: [Float] = [0, 1, 299, 999]
    let tape = Tape(engine: Engine(threadCount: 1), weights: ParameterBuffer(count: 0), gradients: nil)
    let embedding = InterleavedSinusoidalEmbedding(width: width)(timesteps, on: tape)
    #expect(embedding.shape == [4, width])
    for (row, timestep) in timesteps.enumerated() {
      for place in 0..<width {
        let angle = Double(timestep) / pow(10000, Double(place) / Double(width))
        let expected = place % 2 == 0 ? sin(angle) : cos(angle)
        #expect(
          abs(Double(embedding.elements[row * width + place]) - expected) <= 1e-6 + 6e-7 * Double(timestep))
      }
    }
  }

  @Test(arguments: [4, 6, 28, 64], [false, true]) func sinusoids(width: Int, isOriginal: Bool) {
    let timesteps: [Float] = [0, 1, 7, 299, 999.5]
    let tape = Tape(engine: Engine(threadCount: 1), weights: ParameterBuffer(count: 0), gradients: nil)
    let layer =
      isOriginal
      ? SinusoidalEmbedding(width: width, spacing: .halfOpen, order: .cosinesFirst)
      : SinusoidalEmbedding(width: width)
    let embedding = layer(timesteps, on: tape)
    #expect(embedding.shape == [5, width])
    let half = width / 2
    let (sines, cosines) = isOriginal ? (half, 0) : (0, half)
    for (row, timestep) in timesteps.enumerated() {
      for index in 0..<half {
        let frequency = pow(10000, -Double(index) / Double(isOriginal ? half : half - 1))
        // A float32 angle of some hundreds is known to 3e-5.
        let bound = 1e-6 + 3e-7 * Double(timestep)
        let sine = Double(embedding.elements[row * width + sines + index])
        let cosine = Double(embedding.elements[row * width + cosines + index])
        #expect(abs(sine - sin(Double(timestep) * frequency)) <= bound)
        #expect(abs(cosine - cos(Double(timestep) * frequency)) <= bound)
      }
    }
  }

  /// `MultiheadAttention` against the attention whose projections are one kernel, which has no bias of the first.
  @Test func multiHeadAttention() throws {
    let builder = ParameterBuilder()
    let layer = MultiHeadAttention(builder["mha"], channels: 32, heads: 2)
    let x = normalValues(2 * 3 * 4 * 32, seed: 1)
    let (output, weights) = run(builder.layout, [2, 3, 4, 32], x) { layer($0) }
    #expect(weights["mha.in_proj_bias"] == [Float](repeating: 0, count: 96))
    #expect(weights["mha.out_proj.bias"] == [Float](repeating: 0, count: 32))
    let qkv = memoryOrder(try #require(weights["mha.in_proj_weight"]), outputs: 96, inputs: 32, taps: 1)
    let out = memoryOrder(try #require(weights["mha.out_proj.weight"]), outputs: 32, inputs: 32, taps: 1)
    var expected = [Float](repeating: .nan, count: output.count)
    ReferenceSelfAttention.forward(
      SelfAttention(kind: .softmax, batch: 2, tokens: 12, channels: 32, heads: 2, headWidth: 16), x,
      qkvWeights: qkv, outputWeights: out, bias: [Float](repeating: 0, count: 32), output: &expected)
    #expect(relativeError(of: output, from: expected) < 2e-6)
    // Xavier's bound for 32 inputs and 96 outputs.
    let bound = (6.0 / 128).squareRoot()
    #expect(qkv.allSatisfy { Double(abs($0)) <= bound } && qkv.contains { Double(abs($0)) > 0.9 * bound })
  }

  @Test func patchEmbedding() throws {
    let builder = ParameterBuilder()
    let layer = PatchEmbedding(builder["proj"], channels: 2, width: 5, side: 3)
    let x = normalValues(2 * 6 * 9 * 2, seed: 1)
    let (output, weights) = run(builder.layout, [2, 6, 9, 2], x) { layer($0) }
    let kernel = try #require(weights["proj.weight"])
    // One patch after the other, each a product with all of its pixels.
    let expected = (0..<2 * 2 * 3 * 5).map { index -> Double in
      let (image, row, column, k) = (index / 30, index / 15 % 2, index / 5 % 3, index % 5)
      return (0..<18).reduce(0) { sum, place in
        let (c, y, x0) = (place / 9, place / 3 % 3, place % 3)
        let pixel = ((image * 6 + row * 3 + y) * 9 + column * 3 + x0) * 2 + c
        return sum + Double(x[pixel]) * Double(kernel[k * 18 + place])
      }
    }
    #expect(relativeError(of: output.map(Double.init), from: expected) < 1e-6)
    #expect(kernel.allSatisfy { Double(abs($0)) <= (6.0 / 23).squareRoot() })
  }

  @Test func positions() throws {
    let builder = ParameterBuilder()
    let layer = PositionalEmbedding2D(builder, "pos_embed", side: 3, width: 8)
    let parameter = try #require(builder.layout.parameters.first)
    #expect(parameter.role == .constant && parameter.fileShape == [1, 9, 8])
    let x = normalValues(2 * 9 * 8, seed: 1)
    let (output, _) = run(builder.layout, [2, 3, 3, 8], x) { layer($0) }
    let expected = x.indices.map { index -> Double in
      let (place, part, i) = (index / 8 % 9, index % 8 / 2, index % 2)
      // Column's sines and cosines, then the row's.
      let angle = Double(part < 2 ? place % 3 : place / 3) * (i == 0 ? 1 : 0.01)
      return Double(x[index]) + (part % 2 == 0 ? sin(angle) : cos(angle))
    }
    #expect(relativeError(of: output.map(Double.init), from: expected) < 1e-6)
  }
}
