import Layers
import Tensors

/// diffusers' `DownBlock2D`, `AttnDownBlock2D`, `CrossAttnDownBlock2D`, `ResnetDownsampleBlock2D` and, without an
/// embedding, `DownEncoderBlock2D`: residual blocks, each optionally followed by attention, then downsampling by 2.
struct DownBlock2D: Sendable {
  private let layers: [AttendedResnet2D]
  private let downsample: Downsample2D?

  /// - Parameters:
  ///   - count: number of residual blocks.
  ///   - downsampling: nil keeps the resolution.
  init(
    _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, layers count: Int,
    attention: StageAttention? = nil, downsampling: Downsample2D.Kind?, _ style: ResnetBlock2D.Style
  ) {
    layers = (0..<count).map { index in
      AttendedResnet2D(
        builder, index: index, index == 0 ? inputs : outputs, outputs, attention: attention, style)
    }
    downsample = downsampling.map {
      Downsample2D(builder["downsamplers"][0], channels: outputs, $0, style)
    }
  }

  /// Appends the skip connections for the upsampling path to `skips`.
  func callAsFunction(_ x: Tensor, _ condition: StageCondition, skips: inout [Tensor]) -> Tensor {
    var x = x
    for layer in layers {
      x = layer(x, condition: condition)
      skips.append(x)
    }
    guard let downsample else { return x }
    x = downsample(x, activated: condition.activated)
    skips.append(x)
    return x
  }

  /// Without skip connections.
  func callAsFunction(_ x: Tensor) -> Tensor {
    let x = layers.reduce(x) { x, layer in layer(x, condition: .none) }
    return downsample.map { $0(x) } ?? x
  }
}
