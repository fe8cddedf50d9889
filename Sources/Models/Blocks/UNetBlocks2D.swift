import Layers
import Tensors

/// diffusers' `DownBlock2D` and `AttnDownBlock2D`: residual blocks, each with attention behind it or none, then half the
/// sides.
struct DownBlock2D: Sendable {
  private let blocks: [ResnetBlock2D]
  private let attentions: [SpatialAttention]
  private let downsample: Downsample2D?

  /// - Parameters:
  ///   - headWidth: channels of an attention head; nil: there is no attention.
  ///   - downsamplePadding: see `Downsample2D`; nil: the sides stay.
  init(
    _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, layers: Int, headWidth: Int?,
    downsamplePadding: Int?, _ style: ResnetBlock2D.Style
  ) {
    blocks = (0..<layers).map {
      ResnetBlock2D(builder["resnets"][$0], $0 == 0 ? inputs : outputs, outputs, style)
    }
    attentions = (0..<layers).compactMap { index in
      headWidth.map {
        SpatialAttention(
          builder["attentions"][index], channels: outputs, headWidth: $0, groups: style.groups,
          epsilon: style.epsilon, outputScale: style.outputScale)
      }
    }
    downsample = downsamplePadding.map {
      Downsample2D(builder["downsamplers"][0], channels: outputs, padding: $0)
    }
  }

  /// - Parameter skips: get what each block leaves for the way up.
  func callAsFunction(_ x: Tensor, activated: Tensor?, skips: inout [Tensor]) -> Tensor {
    var x = x
    for (index, block) in blocks.enumerated() {
      x = block(x, activated: activated)
      if attentions.indices.contains(index) { x = attentions[index](x) }
      skips.append(x)
    }
    guard let downsample else { return x }
    x = downsample(x)
    skips.append(x)
    return x
  }
}

/// diffusers' `UNetMidBlock2D`: two residual blocks, and attention between them or none.
struct MiddleBlock2D: Sendable {
  private let first: ResnetBlock2D
  private let attention: SpatialAttention?
  private let second: ResnetBlock2D

  /// - Parameters:
  ///   - headWidth: channels of an attention head; nil: there is no attention.
  ///   - attentionGroups: of the normalisation before it; nil: there is none.
  init(
    _ builder: ParameterBuilder, _ channels: Int, headWidth: Int?, attentionGroups: Int?,
    _ style: ResnetBlock2D.Style
  ) {
    first = ResnetBlock2D(builder["resnets"][0], channels, channels, style)
    attention = headWidth.map {
      SpatialAttention(
        builder["attentions"][0], channels: channels, headWidth: $0, groups: attentionGroups,
        epsilon: style.epsilon, outputScale: style.outputScale)
    }
    second = ResnetBlock2D(builder["resnets"][1], channels, channels, style)
  }

  func callAsFunction(_ x: Tensor, activated: Tensor? = nil) -> Tensor {
    let x = first(x, activated: activated)
    return second(attention.map { $0(x) } ?? x, activated: activated)
  }
}

/// diffusers' `UpBlock2D` and `AttnUpBlock2D`: residual blocks on what comes from below and a skip connection, each with
/// attention behind it or none, then twice the sides.
struct UpBlock2D: Sendable {
  private let blocks: [ResnetBlock2D]
  private let attentions: [SpatialAttention]
  private let upsample: Upsample2D?

  /// - Parameters:
  ///   - inputs: of each residual block, the channels from below and of the skip connection.
  ///   - headWidth: channels of an attention head; nil: there is no attention.
  init(
    _ builder: ParameterBuilder, _ inputs: [(Int, Int)], _ outputs: Int, headWidth: Int?, upsamples: Bool,
    _ style: ResnetBlock2D.Style
  ) {
    blocks = inputs.enumerated().map { index, inputs in
      ResnetBlock2D(builder["resnets"][index], inputs.0 + inputs.1, outputs, style)
    }
    attentions = inputs.indices.compactMap { index in
      headWidth.map {
        SpatialAttention(
          builder["attentions"][index], channels: outputs, headWidth: $0, groups: style.groups,
          epsilon: style.epsilon, outputScale: style.outputScale)
      }
    }
    upsample = upsamples ? Upsample2D(builder["upsamplers"][0], channels: outputs) : nil
  }

  /// - Parameter skips: what the way down has left; each block takes the last one.
  func callAsFunction(_ x: Tensor, activated: Tensor?, skips: inout [Tensor]) -> Tensor {
    var x = x
    for (index, block) in blocks.enumerated() {
      x = block(x, skips.removeLast(), activated: activated)
      if attentions.indices.contains(index) { x = attentions[index](x) }
    }
    return upsample.map { $0(x) } ?? x
  }
}
