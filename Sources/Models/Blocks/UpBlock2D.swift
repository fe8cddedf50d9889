import Layers
import Tensors

/// diffusers' `UpBlock2D`, `AttnUpBlock2D`, `CrossAttnUpBlock2D`, `ResnetUpsampleBlock2D` and, without skip
/// connections, `UpDecoderBlock2D`: residual blocks, each optionally followed by attention, then upsampling by 2.
struct UpBlock2D: Sendable {
  private let layers: [AttendedResnet2D]
  private let upsample: Upsample2D?

  /// - Parameters:
  ///   - inputs: total input channels of each residual block.
  ///   - upsampling: nil keeps the resolution.
  init(
    _ builder: ParameterBuilder, _ inputs: [Int], _ outputs: Int, attention: StageAttention? = nil,
    upsampling: Upsample2D.Kind?, _ style: ResnetBlock2D.Style
  ) {
    layers = inputs.enumerated().map { index, inputs in
      AttendedResnet2D(builder, index: index, inputs, outputs, attention: attention, style)
    }
    upsample = upsampling.map { Upsample2D(builder["upsamplers"][0], channels: outputs, $0, style) }
  }

  /// Each residual block pops a skip connection from the end of `skips`.
  func callAsFunction(_ x: Tensor, _ condition: StageCondition, skips: inout [Tensor]) -> Tensor {
    let x = layers.reduce(x) { x, layer in layer(x, skips.removeLast(), condition: condition) }
    return upsample.map { $0(x, activated: condition.activated) } ?? x
  }

  /// Without skip connections.
  func callAsFunction(_ x: Tensor) -> Tensor {
    let x = layers.reduce(x) { x, layer in layer(x, condition: .none) }
    return upsample.map { $0(x) } ?? x
  }
}
