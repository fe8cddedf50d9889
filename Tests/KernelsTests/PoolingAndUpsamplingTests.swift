import Kernels
import NumericsTestSupport
import Testing

private typealias Size = (batch: Int, height: Int, width: Int, channels: Int)

/// With and without whole vectors of channels; sides of one pixel.
private let sizes: [Size] = [
  (1, 1, 1, 1), (2, 3, 5, 7), (1, 4, 2, 28), (3, 1, 6, 33), (2, 7, 7, 64), (1, 14, 3, 16),
]

private func filled(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
  var values = [Float](repeating: .nan, count: count)
  values.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
  return values
}

@Suite struct MaxPoolingTests {
  private func forward(_ size: Size, _ x: [Float], _ pool: ThreadPool) -> [Float] {
    filled(x.count / 4) {
      MaxPooling.forward(
        x, batch: size.batch, height: size.height, width: size.width, channels: size.channels, output: $0,
        pool: pool)
    }
  }

  private func backward(_ size: Size, _ x: [Float], _ dy: [Float], _ pool: ThreadPool) -> [Float] {
    filled(x.count) {
      MaxPooling.backward(
        x, outputGradient: dy, batch: size.batch, height: size.height, width: size.width,
        channels: size.channels, inputGradient: $0, pool: pool)
    }
  }

  @Test(arguments: sizes.indices, [false, true]) func matchesReference(index: Int, hasTies: Bool) {
    let size = sizes[index]
    let count = size.batch * size.height * size.width * size.channels
    // Whole numbers from -2 to 2 are often the same.
    let x = normalValues(4 * count, seed: 1).map { hasTies ? $0.rounded() : $0 }
    let dy = normalValues(count, seed: 2)
    let expected = filled(count) {
      ReferenceMaxPooling.forward(
        x, batch: size.batch, height: size.height, width: size.width, channels: size.channels, output: $0)
    }
    let outputs = bitsByThreadCount { forward(size, x, $0) }
    #expect(outputs.allSatisfy { $0 == bitPatterns(expected) })

    let expectedGradient = filled(4 * count) {
      ReferenceMaxPooling.backward(
        x, outputGradient: dy, batch: size.batch, height: size.height, width: size.width,
        channels: size.channels, inputGradient: $0)
    }
    for threads in comparedThreadCounts {
      #expect(backward(size, x, dy, ThreadPool(threadCount: threads)) == expectedGradient)
    }
  }

  @Test func byHand() {
    // One 2x4 image of one channel: two blocks; the second has its largest twice.
    let x: [Float] = [1, 2, 5, 3, 4, 3, 5, 5]
    let pool = ThreadPool(threadCount: 1)
    #expect(forward((1, 1, 2, 1), x, pool) == [4, 5])
    #expect(backward((1, 1, 2, 1), x, [10, 20], pool) == [0, 0, 20, 0, 10, 0, 0, 0])
  }

  @Test func nanShows() {
    let pool = ThreadPool(threadCount: 1)
    for place in 0..<4 {
      let x: [Float] = (0..<4).map { $0 == place ? .nan : Float($0) }
      #expect(forward((1, 1, 1, 1), x, pool)[0].isNaN)
      #expect(backward((1, 1, 1, 1), x, [7], pool) == (0..<4).map { $0 == place ? 7 : 0 })
    }
  }
}

@Suite struct AveragePoolingTests {
  @Test(arguments: sizes.indices) func matchesMeans(index: Int) {
    let (batch, height, width, channels) = sizes[index]
    let count = batch * height * width * channels
    let (x, dy) = (normalValues(4 * count, seed: 1), normalValues(count, seed: 2))
    /// The places of the four pixels of output `place`.
    func pixels(_ place: Int) -> [Int] {
      let (pixel, channel) = (place / channels, place % channels)
      let (row, column) = (pixel / width, pixel % width)
      return [0, 1].flatMap { y in
        [0, 1].map { x in ((2 * row + y) * 2 * width + 2 * column + x) * channels + channel }
      }
    }
    let outputs = bitsByThreadCount { pool in
      filled(count) {
        AveragePooling.forward(
          x, batch: batch, height: height, width: width, channels: channels, output: $0, pool: pool)
      }
    }
    #expect(outputs.allSatisfy { $0 == outputs[0] })
    let expected = (0..<count).map { place in pixels(place).reduce(0.0) { $0 + Double(x[$1]) } / 4 }
    #expect(relativeError(of: outputs[0].map { Double(Float(bitPattern: $0)) }, from: expected) < 1e-6)

    let gradients = bitsByThreadCount { pool in
      filled(4 * count) {
        AveragePooling.backward(
          dy, batch: batch, height: height, width: width, channels: channels, inputGradient: $0, pool: pool)
      }
    }
    var expectedGradient = [Float](repeating: .nan, count: 4 * count)
    for place in 0..<count {
      for pixel in pixels(place) { expectedGradient[pixel] = dy[place] / 4 }
    }
    #expect(gradients.allSatisfy { $0 == bitPatterns(expectedGradient) })
  }
}

@Suite struct BilinearUpsamplingTests {
  private func upsampling(_ size: Size, _ alignsCorners: Bool) -> BilinearUpsampling {
    BilinearUpsampling(
      batch: size.batch, height: size.height, width: size.width, channels: size.channels,
      alignsCorners: alignsCorners)
  }

  @Test(arguments: sizes.indices, [false, true]) func matchesReference(index: Int, alignsCorners: Bool) {
    let size = sizes[index]
    let count = size.batch * size.height * size.width * size.channels
    let (x, dy) = (normalValues(count, seed: 1), normalValues(4 * count, seed: 2))
    let upsampling = upsampling(size, alignsCorners)
    let expected = filled(4 * count) {
      ReferenceBilinearUpsampling.forward(
        x, batch: size.batch, height: size.height, width: size.width, channels: size.channels,
        alignsCorners: alignsCorners, output: $0)
    }
    let outputs = bitsByThreadCount { pool in
      filled(4 * count) { upsampling.forward(x, output: $0, pool: pool) }
    }
    #expect(outputs.allSatisfy { $0 == outputs[0] })
    #expect(relativeError(of: outputs[0].map(Float.init(bitPattern:)), from: expected) < 1e-6)

    let expectedGradient = filled(count) {
      ReferenceBilinearUpsampling.backward(
        dy, batch: size.batch, height: size.height, width: size.width, channels: size.channels,
        alignsCorners: alignsCorners, inputGradient: $0)
    }
    let gradients = bitsByThreadCount { pool in
      filled(count) { upsampling.backward(dy, inputGradient: $0, pool: pool) }
    }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
    #expect(relativeError(of: gradients[0].map(Float.init(bitPattern:)), from: expectedGradient) < 1e-6)
  }

  /// PyTorch's `Upsample(scale_factor=2, mode="bilinear")` of a row of three, without and with aligned corners.
  @Test func referenceByHand() {
    let x: [Float] = [1, 2, 4]
    func row(_ alignsCorners: Bool) -> [Float] {
      let output = filled(12) {
        ReferenceBilinearUpsampling.forward(
          x, batch: 1, height: 1, width: 3, channels: 1, alignsCorners: alignsCorners, output: $0)
      }
      #expect(output[..<6] == output[6...])
      return Array(output[..<6])
    }
    #expect(relativeError(of: row(false), from: [1, 1.25, 1.75, 2.5, 3.5, 4]) < 1e-7)
    #expect(relativeError(of: row(true), from: [1, 1.4, 1.8, 2.4, 3.2, 4]) < 1e-6)
  }
}

@Suite struct ImageVectorsTests {
  @Test(arguments: [(1, 1, 1, 1), (2, 15, 7, 9), (3, 64, 33, 33), (2, 1200, 28, 40), (1, 5000, 48, 48)])
  func matchesSums(batch: Int, pixels: Int, channels: Int, stride: Int) {
    let count = batch * pixels * channels
    let (x, v) = (normalValues(count, seed: 1), normalValues(batch * stride, seed: 2))
    let first = stride - channels
    let outputs = bitsByThreadCount { pool in
      filled(count) { output in
        v.withUnsafeBufferPointer {
          BroadcastAdd.add(
            x, vectors: $0.baseAddress! + first, stride: stride, batch: batch, pixels: pixels,
            channels: channels, output: output, pool: pool)
        }
      }
    }
    let expected = (0..<count).map { index in
      x[index] + v[index / (pixels * channels) * stride + first + index % channels]
    }
    #expect(outputs.allSatisfy { $0 == bitPatterns(expected) })

    // Adds to what is there, and leaves the other columns.
    let start = normalValues(batch * stride, seed: 3)
    let gradients = bitsByThreadCount { pool in
      var sums = start
      sums.withUnsafeMutableBufferPointer {
        BroadcastAdd.addGradient(
          x, stride: stride, batch: batch, pixels: pixels, channels: channels,
          gradient: $0.baseAddress! + first, pool: pool)
      }
      return sums
    }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
    var sums = start.map(Double.init)
    for (index, value) in x.enumerated() {
      sums[index / (pixels * channels) * stride + first + index % channels] += Double(value)
    }
    let values = gradients[0].map { Double(Float(bitPattern: $0)) }
    #expect(relativeError(of: values, from: sums) < 2e-6)
    for index in start.indices where index % stride < first {
      #expect(gradients[0][index] == start[index].bitPattern)
    }
  }
}
