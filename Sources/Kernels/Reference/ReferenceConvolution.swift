/// Reference implementation of `Convolution` for tests: one multiplication at a time, summed in double precision, on
/// one thread. Same layouts: inputs [B, H, W, Ci], weights [R, R, C, K], bias [K], output [B, P, Q, K].
public enum ReferenceConvolution {
  /// output = weights * inputs + bias.
  public static func forward(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, output: UnsafeMutablePointer<Float>
  ) {
    var sums = [Double](repeating: 0, count: shape.outputPixels * shape.outputChannels)
    if let bias {
      for index in sums.indices { sums[index] = Double(bias[index % shape.outputChannels]) }
    }
    forEachProduct(shape) { input, pixel, weight, result in
      sums[result] += Double(inputs[input][pixel]) * Double(weights[weight])
    }
    for index in sums.indices { output[index] = Float(sums[index]) }
  }

  /// Writes the gradients of the inputs; nil skips an input.
  public static func inputGradient(
    _ shape: ConvolutionShape, outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    inputGradients: [UnsafeMutablePointer<Float>?]
  ) {
    var sums = shape.inputChannels.map {
      [Double](repeating: 0, count: shape.batch * shape.height * shape.width * $0)
    }
    forEachProduct(shape) { input, pixel, weight, result in
      sums[input][pixel] += Double(outputGradient[result]) * Double(weights[weight])
    }
    for (sums, gradient) in zip(sums, inputGradients) {
      guard let gradient else { continue }
      for index in sums.indices { gradient[index] = Float(sums[index]) }
    }
  }

  /// Accumulates the weights' gradient in `gradient`.
  public static func addWeightGradient(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>,
    gradient: UnsafeMutablePointer<Float>
  ) {
    var sums = [Double](repeating: 0, count: shape.patchLength * shape.outputChannels)
    forEachProduct(shape) { input, pixel, weight, result in
      sums[weight] += Double(outputGradient[result]) * Double(inputs[input][pixel])
    }
    for index in sums.indices { gradient[index] = Float(Double(gradient[index]) + sums[index]) }
  }

  /// Accumulates the bias's gradient in `gradient`.
  public static func addBiasGradient(
    _ shape: ConvolutionShape, outputGradient: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>
  ) {
    for k in 0..<shape.outputChannels {
      var sum = Double(gradient[k])
      for pixel in 0..<shape.outputPixels { sum += Double(outputGradient[pixel * shape.outputChannels + k]) }
      gradient[k] = Float(sum)
    }
  }

  /// Enumerates the multiplications of the convolution: the input, and the indices of its value, the weight and the
  /// output. Gradients are sums over the same index triples, since the derivative with respect to one factor is the
  /// other.
  @inline(__always)
  private static func forEachProduct(
    _ shape: ConvolutionShape, _ body: (_ input: Int, _ pixel: Int, _ weight: Int, _ result: Int) -> Void
  ) {
    let (r, k) = (shape.kernel, shape.outputChannels)
    var firstChannel = 0
    for (input, channels) in shape.inputChannels.enumerated() {
      for image in 0..<shape.batch {
        for p in 0..<shape.outputHeight {
          for q in 0..<shape.outputWidth {
            for tapY in 0..<r {
              for tapX in 0..<r {
                let y = p * shape.stride + tapY - shape.padding
                let x = q * shape.stride + tapX - shape.padding
                guard y >= 0, y < shape.height, x >= 0, x < shape.width else { continue }
                for c in 0..<channels {
                  let pixel = ((image * shape.height + y) * shape.width + x) * channels + c
                  let weights = ((tapY * r + tapX) * shape.channels + firstChannel + c) * k
                  let results = ((image * shape.outputHeight + p) * shape.outputWidth + q) * k
                  for output in 0..<k { body(input, pixel, weights + output, results + output) }
                }
              }
            }
          }
        }
      }
      firstChannel += channels
    }
  }
}
