import Layers
import Tensors

/// diffusers' `UNetMidBlock2D` and `UNetMidBlock2DCrossAttn`: a residual block, optionally followed by attention and a
/// second residual block.
struct MiddleBlock2D: Sendable {
  private let first: AttendedResnet2D
  private let second: ResnetBlock2D?

  /// - Parameter hasSecond: whether there is a second residual block.
  init(
    _ builder: ParameterBuilder, _ channels: Int, attention: StageAttention?, hasSecond: Bool = true,
    _ style: ResnetBlock2D.Style
  ) {
    first = AttendedResnet2D(builder, index: 0, channels, channels, attention: attention, style)
    second = hasSecond ? ResnetBlock2D(builder["resnets"][1], channels, channels, style) : nil
  }

  func callAsFunction(_ x: Tensor, _ condition: StageCondition = .none) -> Tensor {
    let x = first(x, condition: condition)
    return second.map { $0([x], activated: condition.activated) } ?? x
  }
}
