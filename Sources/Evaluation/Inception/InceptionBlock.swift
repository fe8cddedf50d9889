/// One branch of a block: consecutive layers, optionally followed by several in parallel.
struct InceptionBranch {
  enum Layer {
    case convolution(FoldedConvolution)
    /// Over 3 x 3 pixels with stride 1.
    case averagePool
    case maxPool(stride: Int, padding: Int)
  }

  let layers: [Layer]
  /// Parallel convolutions of the layers' output, whose results are concatenated.
  let ends: [FoldedConvolution]

  /// Writes the branch's channels of `output`, from `channel` on, and returns their number.
  func apply(_ input: FeatureMap, into output: FeatureMap, at channel: Int, _ pass: InferencePass) -> Int {
    var map = input
    for (index, layer) in layers.enumerated() {
      switch layer {
      case .averagePool: map = Pooling.average(map, pass)
      case .maxPool(let stride, let padding):
        map = Pooling.largest(map, stride: stride, padding: padding, pass)
      case .convolution(let convolution):
        if ends.isEmpty && index == layers.count - 1 {
          convolution.apply(map, into: output, at: channel, pass)
          return convolution.shape.outputs
        }
        map = convolution(map, pass)
      }
    }
    guard !ends.isEmpty else {
      for pixel in 0..<map.pixels {
        (output.elements + (pixel * output.channels + channel)).update(
          from: map.elements + pixel * map.channels, count: map.channels)
      }
      return map.channels
    }
    var width = 0
    for end in ends {
      end.apply(map, into: output, at: channel + width, pass)
      width += end.shape.outputs
    }
    return width
  }
}

/// Branches with the same input, whose outputs are concatenated along the channels.
struct InceptionBlock {
  let branches: [InceptionBranch]
  let outputs: Int
  /// 2 if the block halves height and width.
  let stride: Int

  func callAsFunction(_ input: FeatureMap, _ pass: InferencePass) -> FeatureMap {
    let height = stride == 1 ? input.height : (input.height - 3) / 2 + 1
    let width = stride == 1 ? input.width : (input.width - 3) / 2 + 1
    let output = pass.map(height, width, outputs)
    var channel = 0
    for branch in branches { channel += branch.apply(input, into: output, at: channel, pass) }
    precondition(channel == outputs, "\(channel) channels written of \(outputs)")
    return output
  }
}
