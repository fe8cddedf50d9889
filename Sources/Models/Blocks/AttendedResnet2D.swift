import Layers
import Tensors

/// A residual block, optionally followed by attention.
struct AttendedResnet2D: Sendable {
  private let resnet: ResnetBlock2D
  private let attention: Attention?

  private enum Attention: Sendable {
    case spatial(SpatialAttention)
    case transformer(Transformer2D)
  }

  /// Block `index` of the stage built by `builder`, from `inputs` channels in total to `outputs`.
  init(
    _ builder: ParameterBuilder, index: Int, _ inputs: Int, _ outputs: Int, attention: StageAttention?,
    _ style: ResnetBlock2D.Style
  ) {
    resnet = ResnetBlock2D(builder["resnets"][index], inputs, outputs, style)
    let place = builder["attentions"][index]
    switch attention {
    case .none: self.attention = nil
    case .spatial(let headWidth, let groups):
      self.attention = .spatial(
        SpatialAttention(
          place, channels: outputs, headWidth: headWidth, groups: groups, epsilon: style.epsilon,
          outputScale: style.outputScale))
    case .transformer(let depth, let style):
      self.attention = .transformer(Transformer2D(place, channels: outputs, depth: depth, style))
    }
  }

  /// - Parameter inputs: [B, H, W, C] each, concatenated along the channels.
  /// - Returns: [B, H, W, outputs].
  func callAsFunction(_ inputs: Tensor..., condition: StageCondition) -> Tensor {
    let x = resnet(inputs, activated: condition.activated)
    switch attention {
    case .none: return x
    case .spatial(let attention): return attention(x)
    case .transformer(let transformer):
      guard let context = condition.context else {
        preconditionFailure("the network attends to a context, and there is none")
      }
      return transformer(x, context: context)
    }
  }
}
