import Layers
import Tensors

/// What the stages of a U-Net with cross-attention are told about the samples.
struct StageCondition {
  /// The embedding of the timestep after its activation, [B, D].
  let activated: Tensor
  /// nil for a network that has no attention.
  let context: TokenContext?
}

/// Residual blocks, each followed by a transformer where the stage has them.
private struct AttendedResnet: Sendable {
  let resnet: ResnetBlock2D
  let transformer: Transformer2D?

  func callAsFunction(_ inputs: Tensor..., condition: StageCondition) -> Tensor {
    let x =
      inputs.count == 1
      ? resnet(inputs[0], activated: condition.activated)
      : resnet(inputs[0], inputs[1], activated: condition.activated)
    guard let transformer else { return x }
    guard let context = condition.context else {
      preconditionFailure("the network attends to a context, and there is none")
    }
    return transformer(x, context: context)
  }
}

/// The transformers of a stage.
struct StageAttention: Sendable {
  /// Blocks of a transformer.
  let depth: Int
  let style: Transformer2D.Style

  func callAsFunction(_ builder: ParameterBuilder, channels: Int) -> Transformer2D {
    Transformer2D(builder, channels: channels, depth: depth, style)
  }
}

/// diffusers' `CrossAttnDownBlock2D`, or without attention its `DownBlock2D`: a stage on the way down.
struct ConditionedDownBlock2D: Sendable {
  private let layers: [AttendedResnet]
  private let downsample: Downsample2D?

  /// - Parameter downsamplePadding: nil: the stage does not halve the sides.
  init(
    _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, layers count: Int,
    attention: StageAttention?, downsamplePadding: Int?, _ style: ResnetBlock2D.Style
  ) {
    layers = (0..<count).map { index in
      AttendedResnet(
        resnet: ResnetBlock2D(builder["resnets"][index], index == 0 ? inputs : outputs, outputs, style),
        transformer: attention.map { $0(builder["attentions"][index], channels: outputs) })
    }
    downsample = downsamplePadding.map {
      Downsample2D(builder["downsamplers"][0], channels: outputs, padding: $0)
    }
  }

  /// Appends what the way up reads to `skips`.
  func callAsFunction(_ x: Tensor, _ condition: StageCondition, skips: inout [Tensor]) -> Tensor {
    var x = x
    for layer in layers {
      x = layer(x, condition: condition)
      skips.append(x)
    }
    guard let downsample else { return x }
    x = downsample(x)
    skips.append(x)
    return x
  }
}

/// diffusers' `UNetMidBlock2DCrossAttn`, or without attention its `UNetMidBlock2D` with one residual block.
struct ConditionedMiddleBlock2D: Sendable {
  private let first: AttendedResnet
  private let second: ResnetBlock2D?

  init(
    _ builder: ParameterBuilder, channels: Int, attention: StageAttention?, _ style: ResnetBlock2D.Style
  ) {
    first = AttendedResnet(
      resnet: ResnetBlock2D(builder["resnets"][0], channels, channels, style),
      transformer: attention.map { $0(builder["attentions"][0], channels: channels) })
    second = attention.map { _ in ResnetBlock2D(builder["resnets"][1], channels, channels, style) }
  }

  func callAsFunction(_ x: Tensor, _ condition: StageCondition) -> Tensor {
    let x = first(x, condition: condition)
    return second.map { $0(x, activated: condition.activated) } ?? x
  }
}

/// diffusers' `CrossAttnUpBlock2D`, or without attention its `UpBlock2D`: a stage on the way up.
struct ConditionedUpBlock2D: Sendable {
  private let layers: [AttendedResnet]
  private let upsample: Upsample2D?

  /// - Parameter inputs: of each residual block the channels that come from below and those of the skip connection.
  init(
    _ builder: ParameterBuilder, _ inputs: [(below: Int, skip: Int)], _ outputs: Int,
    attention: StageAttention?, upsamples: Bool, _ style: ResnetBlock2D.Style
  ) {
    layers = inputs.enumerated().map { index, inputs in
      AttendedResnet(
        resnet: ResnetBlock2D(builder["resnets"][index], inputs.below + inputs.skip, outputs, style),
        transformer: attention.map { $0(builder["attentions"][index], channels: outputs) })
    }
    upsample = upsamples ? Upsample2D(builder["upsamplers"][0], channels: outputs) : nil
  }

  /// Takes what it reads from the end of `skips`.
  func callAsFunction(_ x: Tensor, _ condition: StageCondition, skips: inout [Tensor]) -> Tensor {
    let x = layers.reduce(x) { x, layer in layer(x, skips.removeLast(), condition: condition) }
    return upsample.map { $0(x) } ?? x
  }
}
