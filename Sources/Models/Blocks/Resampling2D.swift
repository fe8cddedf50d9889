import Layers
import Tensors

/// diffusers' `Downsample2D`: a 3x3 convolution that halves the sides.
public struct Downsample2D: Sendable {
  private let convolution: Convolution2D

  /// - Parameter padding: 1 for zeros on each side; 0 for zeros behind the last row and column only.
  public init(_ builder: ParameterBuilder, channels: Int, padding: Int) {
    precondition(padding == 0 || padding == 1, "a padding of \(padding)")
    convolution = Convolution2D(
      builder["conv"], channels, channels, kernel: 3, stride: 2, padding: padding, endPadding: 1)
  }

  /// [B, H, W, C] -> [B, H / 2, W / 2, C].
  public func callAsFunction(_ x: Tensor) -> Tensor { convolution(x) }
}

/// diffusers' `Upsample2D`: each pixel four times, and a 3x3 convolution.
public struct Upsample2D: Sendable {
  private let convolution: Convolution2D

  public init(_ builder: ParameterBuilder, channels: Int) {
    convolution = Convolution2D(builder["conv"], channels, channels, kernel: 3, padding: 1)
  }

  /// [B, H, W, C] -> [B, 2 H, 2 W, C].
  public func callAsFunction(_ x: Tensor) -> Tensor { convolution(x.upsampledToNearest()) }
}
