import Layers
import Tensors

/// Perceptual distance of two images, measured in the features of a VGG16: LPIPS (Zhang et al., 2018, "The Unreasonable
/// Effectiveness of Deep Features as a Perceptual Metric", https://arxiv.org/abs/1801.03924, equation 1).
///
/// d(x, y) = Σ_l mean over pixels of w_l · (x̂_l - ŷ_l)², with x̂_l the features of x after stage l, normalised to unit
/// length at each pixel. Tensor names in files follow the class `LPIPS(net="vgg")` of the package lpips.
public struct LPIPS: Sendable {
  public let parameters: ParameterLayout
  private let stages: [[Convolution2D]]
  private let heads: [Linear]

  /// Number of convolutions per stage, each followed by ReLU; stages are separated by max pooling.
  public static let convolutions = [2, 2, 3, 3, 3]
  /// Channels of VGG16's stages.
  public static let widths = [64, 128, 256, 512, 512]
  /// Smallest side that leaves a pixel for the last stage.
  public static let leastSide = 16

  /// Means and standard deviations of the published VGG's training images, for values from -1 to 1 (`ScalingLayer`).
  private static let shift: [Float] = [-0.030, -0.088, -0.188]
  private static let scale: [Float] = [0.458, 0.448, 0.450]
  /// Added to norms.
  private static let epsilon: Float = 1e-10

  /// - Parameter widths: channels of the five stages.
  public init(widths: [Int] = widths) {
    precondition(widths.count == Self.convolutions.count, "\(widths) for \(Self.convolutions.count) stages")
    let builder = ParameterBuilder("LPIPS")
    // Convolutions, activations and poolings share one numbering.
    var place = 0
    var inputs = Self.scale.count
    var stages: [[Convolution2D]] = []
    for (stage, count) in Self.convolutions.enumerated() {
      if stage > 0 { place += 1 }
      stages.append(
        (0..<count).map { _ in
          defer { (place, inputs) = (place + 2, widths[stage]) }
          return Convolution2D(
            builder["net"]["slice\(stage + 1)"][place], inputs, widths[stage], kernel: 3, padding: 1)
        })
    }
    self.stages = stages
    heads = widths.enumerated().map { stage, width in
      // Index 0 is a dropout.
      Linear(builder["lin\(stage)"]["model"][1], width, 1, hasBias: false, isConvolution: true)
    }
    parameters = builder.layout
  }

  /// The mean distance between images of one shape, [B, H, W, C] with 1 or 3 channels, values from -1 to 1. A scalar.
  public func callAsFunction(_ a: Tensor, _ b: Tensor) -> Tensor {
    precondition(a.shape == b.shape, "\(a.shape) and \(b.shape)")
    let distances = zip(zip(features(of: a), features(of: b)), heads).map { features, head in
      let difference =
        features.0.normalizedToUnitLength(epsilon: Self.epsilon)
        - features.1.normalizedToUnitLength(epsilon: Self.epsilon)
      return head(difference * difference).mean()
    }
    return distances.dropFirst().reduce(distances[0], +)
  }

  /// The features after each stage.
  private func features(of images: Tensor) -> [Tensor] {
    var x = scaled(images)
    return stages.enumerated().map { index, convolutions in
      if index > 0 { x = x.evenPart.maxPooled() }
      x = convolutions.reduce(x) { x, convolution in convolution(x).relu() }
      return x
    }
  }

  /// Images normalised as in the network's own training, [B, H, W, 3]; grey is repeated over three channels.
  private func scaled(_ images: Tensor) -> Tensor {
    let tape = images.tape
    let channels = images.shape[3]
    let count = Self.scale.count
    precondition(channels == 1 || channels == count, "\(channels) channels of images")
    let weights = tape.zeros([1, channels, count])
    let bias = tape.input([count])
    for channel in 0..<count {
      let input = channels == 1 ? 0 : channel
      weights.elements[input * count + channel] = 1 / Self.scale[channel]
      bias.elements[channel] = -Self.shift[channel] / Self.scale[channel]
    }
    return images.linear(weights: weights, bias: bias)
  }

  /// Throws unless images of this size can be compared.
  public static func check(height: Int, width: Int, channels: Int) throws {
    guard channels == 1 || channels == scale.count else {
      throw ModelError(
        "LPIPS compares grey and colour images, of 1 or 3 channels, and these have \(channels): leave "
          + "autoencoder.perceptual_path away")
    }
    guard min(height, width) >= leastSide else {
      throw ModelError(
        "LPIPS compares images from \(leastSide) x \(leastSide) on, and these have \(height) x \(width): leave "
          + "autoencoder.perceptual_path away")
    }
  }
}

extension Tensor {
  /// The tensor without the last row or column if their number is odd.
  fileprivate var evenPart: Tensor {
    var part = self
    for axis in 1...2 where shape[axis] % 2 == 1 { part = part.part(0..<shape[axis] - 1, axis: axis) }
    return part
  }
}
