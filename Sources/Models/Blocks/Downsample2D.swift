import Layers
import Tensors

/// Downsampling by 2: diffusers' `Downsample2D`, or a `ResnetBlock2D` with 2x2 average pooling.
struct Downsample2D: Sendable {
  enum Kind: Hashable, Sendable {
    /// A 3x3 convolution, padded by 1 on every side; or by 0, in which case only the end of each axis is padded.
    case convolution(padding: Int)
    case residual
  }

  private enum Layer: Sendable {
    case convolution(Convolution2D)
    case residual(ResnetBlock2D)
  }

  private let layer: Layer

  init(_ builder: ParameterBuilder, channels: Int, _ kind: Kind, _ style: ResnetBlock2D.Style) {
    switch kind {
    case .convolution(let padding):
      precondition(padding == 0 || padding == 1, "a padding of \(padding)")
      layer = .convolution(
        Convolution2D(
          builder["conv"], channels, channels, kernel: 3, stride: 2, padding: padding, endPadding: 1,
          paddingMode: style.paddingMode))
    case .residual:
      layer = .residual(ResnetBlock2D(builder, channels, channels, sides: .halved, style))
    }
  }

  /// [B, H, W, C] -> [B, H / 2, W / 2, C].
  ///
  /// - Parameter activated: see `ResnetBlock2D`.
  func callAsFunction(_ x: Tensor, activated: Tensor? = nil) -> Tensor {
    switch layer {
    case .convolution(let convolution): convolution(x)
    case .residual(let resnet): resnet([x], activated: activated)
    }
  }
}
