import Kernels
import NumericsTestSupport
import Testing

/// A convolution with values for everything that goes in, and each of its kernels as a function to arrays.
struct ConvolutionCase: CustomTestStringConvertible, Sendable {
  let shape: ConvolutionShape

  init(
    _ batch: Int, _ height: Int, _ width: Int, _ inputs: [Int], _ outputs: Int, kernel: Int, stride: Int = 1,
    padding: Int = 0, endPadding: Int? = nil
  ) {
    shape = ConvolutionShape(
      batch: batch, height: height, width: width, inputChannels: inputs, outputChannels: outputs,
      kernel: kernel,
      stride: stride, padding: padding, endPadding: endPadding)
  }

  var testDescription: String {
    let inputs = shape.inputChannels.map(String.init).joined(separator: "+")
    return "\(shape.batch)x\(shape.height)x\(shape.width) \(inputs)->\(shape.outputChannels) "
      + "k\(shape.kernel) s\(shape.stride) p\(shape.padding) \(shape.endPadding)"
  }

  /// The largest relative error: rounding of float32 sums of some thousand terms. Winograd's algorithm, which is for
  /// these shapes, multiplies by up to 8 and adds before and after its products, which costs a digit.
  var bound: Double {
    (shape.kernel == 3 && shape.stride == 1 || shape.kernel == 4 && shape.stride == 2) && shape.padding == 1
      ? 1e-5 : 2e-6
  }

  var weightCount: Int { shape.patchLength * shape.outputChannels }
  var outputCount: Int { shape.outputPixels * shape.outputChannels }
  func inputCount(_ index: Int) -> Int {
    shape.batch * shape.height * shape.width * shape.inputChannels[index]
  }

  var inputs: [[Float]] {
    shape.inputChannels.indices.map { normalValues(inputCount($0), seed: UInt64(10 + $0)) }
  }
  var weights: [Float] { normalValues(weightCount, seed: 1) }
  var bias: [Float] { normalValues(shape.outputChannels, seed: 2) }
  var outputGradient: [Float] { normalValues(outputCount, seed: 3) }

  /// Where `body` writes: NaN before, so that what is read or left out shows.
  private func written(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    var values = [Float](repeating: .nan, count: count)
    values.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    return values
  }

  /// Where `body` adds.
  private func added(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    var values = normalValues(count, seed: 4)
    values.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    return values
  }

  private func withPointers<R>(_ arrays: [[Float]], _ body: ([UnsafePointer<Float>]) -> R) -> R {
    let copies = arrays.map { array in
      let copy = FloatMemory.allocate(array.count)
      copy.baseAddress!.update(from: array, count: array.count)
      return copy
    }
    defer { copies.forEach { $0.deallocate() } }
    return body(copies.map { UnsafePointer($0.baseAddress!) })
  }

  /// nil as `pool`: the reference.
  func forward(_ pool: ThreadPool?, hasBias: Bool = true) -> [Float] {
    withPointers(inputs + [weights, bias]) { pointers in
      let inputs = Array(pointers.dropLast(2))
      let (weights, bias) = (pointers[inputs.count], hasBias ? pointers[inputs.count + 1] : nil)
      return written(outputCount) {
        if let pool {
          Convolution.forward(shape, inputs: inputs, weights: weights, bias: bias, output: $0, pool: pool)
        } else {
          ReferenceConvolution.forward(shape, inputs: inputs, weights: weights, bias: bias, output: $0)
        }
      }
    }
  }

  /// The gradients of the inputs one after the other; those not in `wanted` stay NaN.
  func inputGradient(_ pool: ThreadPool?, wanted: Set<Int>? = nil) -> [Float] {
    let counts = shape.inputChannels.indices.map(inputCount)
    return withPointers(inputs + [outputGradient, weights]) { pointers in
      let inputs = Array(pointers.dropLast(2))
      let (gradient, weights) = (pointers[inputs.count], pointers[inputs.count + 1])
      return written(counts.reduce(0, +)) { memory in
        let places = counts.indices.map { index in
          wanted?.contains(index) ?? true ? memory + counts[..<index].reduce(0, +) : nil
        }
        if let pool {
          Convolution.backward(
            shape, inputs: inputs, weights: weights, outputGradient: gradient, inputGradients: places,
            weightGradient: nil, biasGradient: nil, pool: pool)
        } else {
          ReferenceConvolution.inputGradient(
            shape, outputGradient: gradient, weights: weights, inputGradients: places)
        }
      }
    }
  }

  func weightGradient(_ pool: ThreadPool?) -> [Float] {
    added(weightCount) { writeWeightGradient(pool, to: .adding(to: $0)) }
  }

  /// The same over whatever was there.
  func freshWeightGradient(_ pool: ThreadPool) -> [Float] {
    written(weightCount) { writeWeightGradient(pool, to: .overwriting($0)) }
  }

  private func writeWeightGradient(_ pool: ThreadPool?, to sum: GradientSum) {
    withPointers(inputs + [outputGradient, weights]) { pointers in
      let inputs = Array(pointers.dropLast(2))
      let (gradient, weights) = (pointers[inputs.count], pointers[inputs.count + 1])
      if let pool {
        Convolution.backward(
          shape, inputs: inputs, weights: weights, outputGradient: gradient,
          inputGradients: inputs.map { _ in nil }, weightGradient: sum, biasGradient: nil, pool: pool)
      } else {
        ReferenceConvolution.addWeightGradient(
          shape, inputs: inputs, outputGradient: gradient, gradient: sum.memory)
      }
    }
  }

  /// - Returns: the sum of the gradient's squares.
  func updateWeights(by update: WeightUpdate?, _ pool: ThreadPool) -> Double {
    withPointers(inputs + [outputGradient]) { pointers in
      Convolution.updateWeights(
        shape, inputs: Array(pointers.dropLast()), outputGradient: pointers[pointers.count - 1], by: update,
        pool: pool)
    }
  }

  /// - Parameter value: what takes the place of the last element of the last input, or of the output's gradient.
  func weightGradientBound(_ pool: ThreadPool, placing value: Float? = nil, inInput: Bool = true) -> Float {
    var arrays = inputs + [outputGradient]
    let place = arrays.count - (inInput ? 2 : 1)
    if let value { arrays[place][arrays[place].count - 1] = value }
    return withPointers(arrays) { pointers in
      Convolution.weightGradientBound(
        shape, inputs: Array(pointers.dropLast()), outputGradient: pointers[pointers.count - 1], pool: pool)
    }
  }

  /// - Parameter withWeights: whether the weights' gradient is wanted as well, which may be a way to this one.
  func biasGradient(_ pool: ThreadPool?, withWeights: Bool = true) -> [Float] {
    var weightGradient = [Float](repeating: 0, count: weightCount)
    return withPointers(inputs + [outputGradient, weights]) { pointers in
      let inputs = Array(pointers.dropLast(2))
      let (gradient, weights) = (pointers[inputs.count], pointers[inputs.count + 1])
      return added(shape.outputChannels) { sum in
        guard let pool else {
          return ReferenceConvolution.addBiasGradient(shape, outputGradient: gradient, gradient: sum)
        }
        weightGradient.withUnsafeMutableBufferPointer {
          Convolution.backward(
            shape, inputs: inputs, weights: weights, outputGradient: gradient,
            inputGradients: inputs.map { _ in nil },
            weightGradient: withWeights ? .overwriting($0.baseAddress!) : nil, biasGradient: sum, pool: pool)
        }
      }
    }
  }
}

extension ConvolutionCase {
  static let all: [ConvolutionCase] = [
    // One pixel, one channel.
    .init(1, 1, 1, [1], 1, kernel: 1),
    .init(1, 1, 1, [3], 5, kernel: 3, padding: 1),
    .init(2, 1, 1, [2], 3, kernel: 1, padding: 1),
    // Every kernel, on images that are not square, with odd channels.
    .init(1, 5, 9, [3], 7, kernel: 1),
    .init(2, 6, 5, [7], 3, kernel: 2),
    .init(3, 9, 4, [1], 28, kernel: 3, padding: 1),
    .init(2, 7, 8, [28], 1, kernel: 4, padding: 2),
    .init(1, 11, 9, [3], 33, kernel: 7, padding: 3),
    .init(2, 8, 6, [33], 7, kernel: 3),
    // Zeros behind the last pixels only, as diffusers' downsampling has them, and more before them than behind.
    .init(2, 8, 6, [3], 5, kernel: 3, stride: 2, padding: 0, endPadding: 1),
    .init(2, 14, 10, [48], 40, kernel: 3, stride: 2, padding: 0, endPadding: 1),
    .init(1, 9, 7, [20, 28], 24, kernel: 3, padding: 1, endPadding: 0),
    .init(1, 9, 7, [7], 9, kernel: 3, padding: 0, endPadding: 2),
    .init(2, 6, 6, [32], 16, kernel: 4, stride: 2, padding: 1, endPadding: 2),
    // Padding beyond what keeps the size.
    .init(1, 4, 3, [3], 4, kernel: 3, padding: 2),
    .init(1, 4, 3, [3], 4, kernel: 3, padding: 4),
    .init(1, 3, 4, [5], 2, kernel: 2, padding: 3),
    // Strides, also such that some pixels are under no patch.
    .init(2, 8, 6, [3], 8, kernel: 2, stride: 2),
    .init(2, 7, 9, [5], 3, kernel: 2, stride: 2),
    .init(1, 9, 8, [4], 6, kernel: 3, stride: 2, padding: 1),
    .init(2, 10, 7, [3], 5, kernel: 4, stride: 3, padding: 2),
    .init(1, 8, 8, [7], 9, kernel: 1, stride: 3),
    .init(3, 8, 6, [20], 12, kernel: 4, stride: 2, padding: 1),
    .init(2, 32, 30, [16], 33, kernel: 4, stride: 2, padding: 1),
    .init(1, 9, 7, [5], 6, kernel: 4, stride: 2, padding: 1),
    // Winograd's of stride 2: with small filters, with large ones, several parts of images.
    .init(4, 24, 20, [20], 36, kernel: 4, stride: 2, padding: 1),
    .init(3, 36, 28, [48], 80, kernel: 4, stride: 2, padding: 1),
    .init(16, 8, 8, [100], 88, kernel: 4, stride: 2, padding: 1),
    .init(6, 40, 40, [40], 96, kernel: 4, stride: 2, padding: 1),
    .init(2, 17, 12, [3], 20, kernel: 7, padding: 3),
    // Two inputs and more.
    .init(2, 6, 7, [3, 5], 4, kernel: 1),
    .init(2, 5, 6, [28, 7], 16, kernel: 3, padding: 1),
    .init(1, 6, 6, [1, 33], 3, kernel: 4, stride: 2, padding: 1),
    .init(2, 4, 5, [16, 32], 48, kernel: 3, padding: 1),
    .init(1, 4, 4, [2, 3, 4], 5, kernel: 2),
    // Several blocks of patches, and several pieces of the weights' gradient.
    .init(5, 28, 28, [28], 28, kernel: 3, padding: 1),
    .init(2, 40, 33, [33], 17, kernel: 3, padding: 1),
    .init(3, 32, 32, [20, 12], 24, kernel: 1),
    .init(3, 34, 30, [24], 20, kernel: 2, stride: 2),
    .init(1, 64, 64, [16], 8, kernel: 7, stride: 1, padding: 3),
    // Winograd's, with small filters: sides that tiles do not divide, channels that vectors do not divide, several
    // blocks and pieces, several inputs.
    .init(2, 16, 16, [16], 16, kernel: 3, padding: 1),
    .init(3, 9, 17, [17], 31, kernel: 3, padding: 1),
    .init(1, 70, 66, [16], 33, kernel: 3, padding: 1),
    .init(4, 14, 14, [56, 28], 28, kernel: 3, padding: 1),
    .init(8, 7, 7, [16, 20, 29], 44, kernel: 3, padding: 1),
    .init(1, 12, 20, [72], 80, kernel: 3, padding: 1),
    // With large filters: few tiles, one part of tiles and more, several inputs, parts of channels that are left over.
    .init(2, 18, 15, [84], 132, kernel: 3, padding: 1),
    .init(9, 4, 4, [100], 112, kernel: 3, padding: 1),
    .init(3, 8, 12, [64, 40], 88, kernel: 3, padding: 1),
    .init(1, 50, 46, [88], 96, kernel: 3, padding: 1),
    // More images than the transforms of which are kept at a time, the last part smaller.
    .init(5, 36, 32, [80], 96, kernel: 3, padding: 1),
    // Too few channels or too few pixels for Winograd's.
    .init(2, 16, 16, [8], 24, kernel: 3, padding: 1),
    .init(40, 2, 3, [28], 20, kernel: 3, padding: 1),
    // Fewer pieces, because the weights are large.
    .init(2, 6, 6, [192], 256, kernel: 3, padding: 1),
  ]
  /// The convolutions of the configurations' networks that are computed by Winograd's algorithm, with fewer images: each
  /// resolution's widest, those that read a skip connection, and those that halve the images.
  static let ofNetworks: [ConvolutionCase] = [
    .init(1, 28, 28, [28], 28, kernel: 3, padding: 1),
    .init(1, 28, 28, [28, 28], 28, kernel: 3, padding: 1),
    .init(2, 14, 14, [56, 28], 56, kernel: 3, padding: 1),
    .init(4, 7, 7, [112, 56], 112, kernel: 3, padding: 1),
    .init(1, 32, 32, [64, 64], 64, kernel: 3, padding: 1),
    .init(2, 16, 16, [128, 64], 128, kernel: 3, padding: 1),
    .init(2, 8, 8, [256, 128], 256, kernel: 3, padding: 1),
    .init(4, 4, 4, [512], 512, kernel: 3, padding: 1),
    .init(1, 64, 64, [64], 64, kernel: 3, padding: 1),
    .init(1, 32, 32, [128], 256, kernel: 3, padding: 1),
    .init(2, 32, 32, [64], 64, kernel: 4, stride: 2, padding: 1),
    .init(4, 16, 16, [128], 128, kernel: 4, stride: 2, padding: 1),
    .init(16, 8, 8, [256], 256, kernel: 4, stride: 2, padding: 1),
    .init(1, 32, 32, [512], 512, kernel: 4, stride: 2, padding: 1),
  ]
}
