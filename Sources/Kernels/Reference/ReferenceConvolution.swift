/// The convolution that `Convolution` is checked against: one multiplication after the other, summed in double
/// precision, on one thread. Same layouts: inputs [B, H, W, Ci], weights [R, R, C, K], bias [K], output [B, P, Q, K].
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

  /// Writes the gradient of the inputs; an input whose place is nil is left out.
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

  /// Adds the weights' gradient to `gradient`.
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

  /// Adds the bias's gradient to `gradient`.
  public static func addBiasGradient(
    _ shape: ConvolutionShape, outputGradient: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>
  ) {
    for k in 0..<shape.outputChannels {
      var sum = Double(gradient[k])
      for pixel in 0..<shape.outputPixels { sum += Double(outputGradient[pixel * shape.outputChannels + k]) }
      gradient[k] = Float(sum)
    }
  }

  /// Every multiplication of the convolution: which input, and the places of its value, of the weight and of the
  /// output. The gradients are sums over the same products, since the derivative of one factor is the other.
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
