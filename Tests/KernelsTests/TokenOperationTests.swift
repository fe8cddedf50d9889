import Kernels
import NumericsTestSupport
import Testing

/// Gated addition, patch assembly, and the same numbers added to each image.
@Suite struct TokenOperationTests {
  private static let sizes = [(1, 1, 1), (2, 3, 5), (3, 64, 16), (2, 150, 33), (1, 49, 48)]

  @Test(arguments: sizes) func gatedAddition(batch: Int, tokens: Int, channels: Int) {
    // The gate is in the columns from the second.
    let stride = channels + 3
    let addition = GatedResidual(batch: batch, tokens: tokens, channels: channels, gateStride: stride)
    let count = batch * tokens * channels
    let (x, z, dy) = (
      normalValues(count, seed: 1), normalValues(count, seed: 2), normalValues(count, seed: 3)
    )
    let gates = normalValues(batch * stride, seed: 4)
    func gate(_ index: Int) -> Int { index / (tokens * channels) * stride + 1 + index % channels }

    var expectedGates = normalValues(batch * stride, seed: 5).map(Double.init)
    for index in 0..<count { expectedGates[gate(index)] += Double(dy[index]) * Double(z[index]) }
    var results: [[Float]] = []
    for threads in comparedThreadCounts {
      let pool = ThreadPool(threadCount: threads)
      var y = [Float](repeating: .nan, count: count)
      var dz = y
      var dGates = normalValues(batch * stride, seed: 5)
      gates.withUnsafeBufferPointer { gates in
        addition.forward(x, z, gate: gates.baseAddress! + 1, output: &y, pool: pool)
        dGates.withUnsafeMutableBufferPointer {
          addition.backward(
            z, gate: gates.baseAddress! + 1, outputGradient: dy, gatedGradient: &dz,
            gateGradient: $0.baseAddress! + 1, pool: pool)
        }
      }
      results.append(y + dz + dGates)
      let expected = x.indices.map { Double(x[$0]) + Double(gates[gate($0)]) * Double(z[$0]) }
      #expect(relativeError(of: y.map(Double.init), from: expected) < 1e-6)
      #expect(dz == dy.indices.map { dy[$0] * gates[gate($0)] })
      #expect(relativeError(of: dGates.map(Double.init), from: expectedGates) < 1e-6)
    }
    #expect(results.map(bitPatterns).allSatisfy { $0 == bitPatterns(results[0]) })
  }

  @Test(arguments: [(1, 1, 1, 1, 1), (2, 3, 2, 4, 3), (3, 1, 5, 2, 1), (1, 4, 4, 1, 6)])
  func patchAssembly(batch: Int, rows: Int, columns: Int, side: Int, channels: Int) {
    let assembly = PatchAssembly(batch: batch, rows: rows, columns: columns, side: side, channels: channels)
    let count = batch * rows * columns * side * side * channels
    // The places of a patch's pixels in the images, patch after patch.
    var places: [Int] = []
    for patch in 0..<batch * rows * columns {
      let (image, row, column) = (patch / (rows * columns), patch / columns % rows, patch % columns)
      for y in 0..<side {
        for x in 0..<side {
          let pixel = ((image * rows + row) * side + y) * columns * side + column * side + x
          places += (0..<channels).map { pixel * channels + $0 }
        }
      }
    }
    let patches = normalValues(count, seed: 1)
    var expected = [Float](repeating: .nan, count: count)
    for (value, place) in zip(patches, places) { expected[place] = value }
    for threads in comparedThreadCounts {
      let pool = ThreadPool(threadCount: threads)
      var images = [Float](repeating: .nan, count: count)
      assembly.forward(patches, images: &images, pool: pool)
      #expect(images == expected)
      var gradient = [Float](repeating: .nan, count: count)
      assembly.backward(images, patchGradient: &gradient, pool: pool)
      #expect(gradient == patches)
    }
  }

  @Test(arguments: [(1, 1), (3, 16), (2, 37)]) func additionToEach(batch: Int, size: Int) {
    let (x, addend) = (normalValues(batch * size, seed: 1), normalValues(size, seed: 2))
    var output = [Float](repeating: .nan, count: batch * size)
    Elementwise.addToEach(
      x, addend, output: &output, batch: batch, size: size, pool: ThreadPool(threadCount: 2))
    #expect(output == x.indices.map { x[$0] + addend[$0 % size] })
  }
}
