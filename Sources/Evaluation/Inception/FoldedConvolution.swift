import Kernels

/// A convolution followed by batch normalisation and ReLU, for inference: normalisation with fixed statistics is a
/// scale and a shift per channel, which are folded into weights and bias.
///
/// Kernels need not be square. Computed as matrix products over blocks of patches, on the calling thread.
///
/// Dimensions: C input channels, K output channels, R and S the kernel's height and width.
final class FoldedConvolution {
  struct Shape {
    let inputs: Int
    let outputs: Int
    let kernel: (height: Int, width: Int)
    let stride: Int
    let padding: (height: Int, width: Int)

    /// R S C.
    var patchLength: Int { kernel.height * kernel.width * inputs }
    func outputHeight(_ height: Int) -> Int { (height + 2 * padding.height - kernel.height) / stride + 1 }
    func outputWidth(_ width: Int) -> Int { (width + 2 * padding.width - kernel.width) / stride + 1 }
    var isPointwise: Bool { kernel == (1, 1) && stride == 1 && padding == (0, 0) }
  }

  /// The parameters of batch normalisation in evaluation mode, each [K]; y = (x - mean) / √(variance + ε) · scale +
  /// shift.
  struct Normalization {
    let scale: [Float]
    let shift: [Float]
    let mean: [Float]
    let variance: [Float]
    let epsilon: Double
  }

  let shape: Shape
  /// [R S C, K].
  private let weights: UnsafeMutableBufferPointer<Float>
  /// [K].
  private let bias: UnsafeMutableBufferPointer<Float>

  /// - Parameter weights: [K, C, R, S], PyTorch's order.
  init(_ shape: Shape, weights torch: [Float], _ normalization: Normalization) {
    precondition(
      torch.count == shape.outputs * shape.patchLength, "\(torch.count) weights for \(shape)")
    self.shape = shape
    weights = FloatMemory.allocate(torch.count)
    bias = FloatMemory.allocate(shape.outputs)
    let taps = shape.kernel.height * shape.kernel.width
    for k in 0..<shape.outputs {
      let deviation = (Double(normalization.variance[k]) + normalization.epsilon).squareRoot()
      let factor = Double(normalization.scale[k]) / deviation
      bias[k] = Float(Double(normalization.shift[k]) - Double(normalization.mean[k]) * factor)
      for c in 0..<shape.inputs {
        for tap in 0..<taps {
          weights[(tap * shape.inputs + c) * shape.outputs + k] =
            Float(Double(torch[(k * shape.inputs + c) * taps + tap]) * factor)
        }
      }
    }
  }

  deinit {
    weights.deallocate()
    bias.deallocate()
  }

  func callAsFunction(_ input: FeatureMap, _ pass: InferencePass) -> FeatureMap {
    let output = pass.map(shape.outputHeight(input.height), shape.outputWidth(input.width), shape.outputs)
    apply(input, into: output, at: 0, pass)
    return output
  }

  /// Patches are gathered in blocks of this many floats, 1.5 MB: with fewer rows, the products would pack the weights
  /// into panels more often.
  private static let patchFloats = 393_216

  /// Writes channels `channel..<channel + K` of `output`, which may have more channels.
  func apply(_ input: FeatureMap, into output: FeatureMap, at channel: Int, _ pass: InferencePass) {
    precondition(input.channels == shape.inputs, "\(input.channels) channels, expected \(shape.inputs)")
    precondition(
      output.height == shape.outputHeight(input.height) && output.width == shape.outputWidth(input.width)
        && channel + shape.outputs <= output.channels,
      "\(output.height) x \(output.width) x \(output.channels) cannot hold the result of \(shape)")
    let matrix = Matrix(UnsafePointer(weights.baseAddress!), rows: shape.patchLength, columns: shape.outputs)
    if shape.isPointwise {
      let step = max(Self.patchFloats / shape.inputs, 1)
      for start in stride(from: 0, to: input.pixels, by: step) {
        let count = min(step, input.pixels - start)
        multiply(
          Matrix(UnsafePointer(input.elements + start * shape.inputs), rows: count, columns: shape.inputs),
          matrix,
          into: output.elements + (start * output.channels + channel), stride: output.channels)
      }
      return
    }
    let rowLength = output.width * shape.patchLength
    let step = min(max(Self.patchFloats / rowLength, 1), output.height)
    let patches = pass.patches(step * rowLength)
    for start in stride(from: 0, to: output.height, by: step) {
      let rows = start..<min(start + step, output.height)
      gather(input, rows: rows, width: output.width, into: patches)
      multiply(
        Matrix(UnsafePointer(patches), rows: rows.count * output.width, columns: shape.patchLength), matrix,
        into: output.elements + (start * output.width * output.channels + channel), stride: output.channels)
    }
  }

  /// output = max(patches · weights + bias, 0).
  private func multiply(
    _ patches: Matrix, _ weights: Matrix, into output: UnsafeMutablePointer<Float>, stride: Int
  ) {
    MatrixProduct.compute(patches, weights, into: output, stride: stride)
    let bias = UnsafePointer(self.bias.baseAddress!)
    let count = shape.outputs
    for row in 0..<patches.rows {
      let values = output + row &* stride
      for k in 0..<count {
        let value = values[k] + bias[k]
        // Not `max`, to preserve NaN.
        values[k] = value < 0 ? 0 : value
      }
    }
  }

  /// Gathers the patches of output rows `rows`: [rows.count, width, R, S, C], with zeros outside the input.
  private func gather(
    _ input: FeatureMap, rows: Range<Int>, width: Int, into patches: UnsafeMutablePointer<Float>
  ) {
    let (c, line) = (shape.inputs, shape.kernel.width * shape.inputs)
    var target = patches
    for row in rows {
      for column in 0..<width {
        let (top, left) = (
          row * shape.stride - shape.padding.height, column * shape.stride - shape.padding.width
        )
        // The taps of a kernel row are contiguous.
        let (first, last) = (max(-left, 0), min(shape.kernel.width, input.width - left))
        for r in 0..<shape.kernel.height {
          let y = top + r
          if y < 0 || y >= input.height {
            target.update(repeating: 0, count: line)
          } else {
            if first > 0 { target.update(repeating: 0, count: first * c) }
            (target + first * c).update(
              from: input.elements + (y * input.width + left + first) * c, count: (last - first) * c)
            if last < shape.kernel.width {
              (target + last * c).update(repeating: 0, count: (shape.kernel.width - last) * c)
            }
          }
          target += line
        }
      }
    }
  }
}
