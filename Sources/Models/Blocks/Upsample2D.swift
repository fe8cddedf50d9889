import Layers
import Tensors

/// Upsampling by 2: diffusers' `Upsample2D`, or a `ResnetBlock2D` that repeats pixels.
struct Upsample2D: Sendable {
  enum Kind: Hashable, Sendable {
    /// Nearest-neighbour upsampling followed by a 3x3 convolution.
    case convolution
    case residual
  }

  private enum Layer: Sendable {
    case convolution(Convolution2D)
    case residual(ResnetBlock2D)
  }

  private let layer: Layer

  init(_ builder: ParameterBuilder, channels: Int, _ kind: Kind, _ style: ResnetBlock2D.Style) {
    switch kind {
    case .convolution:
      layer = .convolution(
        Convolution2D(
          builder["conv"], channels, channels, kernel: 3, padding: 1, paddingMode: style.paddingMode))
    case .residual:
      layer = .residual(ResnetBlock2D(builder, channels, channels, sides: .doubled, style))
    }
  }

  /// [B, H, W, C] -> [B, 2 H, 2 W, C].
  ///
  /// - Parameter activated: see `ResnetBlock2D`.
  func callAsFunction(_ x: Tensor, activated: Tensor? = nil) -> Tensor {
    switch layer {
    case .convolution(let convolution): convolution(x.upsampledToNearest())
    case .residual(let resnet): resnet([x], activated: activated)
    }
  }
}
