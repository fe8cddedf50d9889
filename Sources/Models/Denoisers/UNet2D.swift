import Layers
import Tensors

/// diffusers' `UNet2DModel`: the U-Nets of DDPM (Ho et al., 2020) and improved-diffusion (Nichol and Dhariwal, 2021).
///
/// Tensor names in files follow that class.
public struct UNet2D: Denoiser {
  public let parameters: ParameterLayout
  public let imageChannels: Int
  public let imageChannelsKey = "in_channels"
  public let predictionChannels: Int
  public let predictionChannelsKey = "out_channels"
  public let imageSize: ImageSize
  public let classes: ModelClasses?

  private let centersInput: Bool
  private let timeEmbedding: TimestepEmbedding
  private let classEmbedding: Embedding?
  private let activation: BlockActivation
  private let input: Convolution2D
  private let down: [DownBlock2D]
  private let middle: MiddleBlock2D?
  private let up: [UpBlock2D]
  private let outputNorm: GroupNorm
  private let output: Convolution2D

  public init(
    _ settings: UNet2DSettings, _ builder: ParameterBuilder = ParameterBuilder("denoiser")
  ) {
    let common = settings.common
    let (widths, epsilon) = (common.widths, common.epsilon)
    imageChannels = common.channels
    predictionChannels = common.outputChannels
    imageSize = common.imageSize
    classes = common.modelClasses
    centersInput = common.centersInput
    activation = common.activation

    var style = common.style
    input = Convolution2D(
      builder["conv_in"], common.channels, widths[0], kernel: 3, padding: 1, paddingMode: common.paddingMode)
    timeEmbedding = TimestepEmbedding(
      builder["time_embedding"], sinusoids: widths[0], width: common.embeddingWidth,
      cosinesFirst: common.cosinesFirst, shift: common.frequencyShift)
    classEmbedding = common.classes.map {
      Embedding(builder["class_embedding"], rows: $0, width: common.embeddingWidth)
    }
    func attention(_ block: UNet2DSettings.Block, _ channels: Int) -> StageAttention? {
      guard block == .attention else { return nil }
      return .spatial(headWidth: settings.headWidth ?? channels, groups: common.groups)
    }
    down = settings.down.enumerated().map { [style] index, block in
      DownBlock2D(
        builder["down_blocks"][index], widths[max(index - 1, 0)], widths[index], layers: settings.layers,
        attention: attention(block, widths[index]),
        downsampling: index == widths.count - 1 ? nil : settings.downsampling(block), style)
    }
    let inputs = settings.skips.sums
    up = settings.up.enumerated().map { [style] index, block in
      let width = widths[widths.count - 1 - index]
      return UpBlock2D(
        builder["up_blocks"][index], inputs[index], width, attention: attention(block, width),
        upsampling: index == widths.count - 1 ? nil : settings.upsampling(block), style)
    }
    let lowest = widths[widths.count - 1]
    style.outputScale = common.middleScale
    let middleAttention = StageAttention.spatial(
      headWidth: settings.headWidth ?? lowest, groups: settings.middleAttentionGroups)
    middle =
      settings.hasMiddle
      ? MiddleBlock2D(
        builder["mid_block"], lowest, attention: settings.middleAttends ? middleAttention : nil, style) : nil
    outputNorm = GroupNorm(
      builder["conv_norm_out"], groups: common.groups, channels: widths[0], epsilon: epsilon)
    output = Convolution2D(
      builder["conv_out"], widths[0], common.outputChannels, kernel: 3, padding: 1,
      paddingMode: common.paddingMode)
    parameters = builder.layout
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    let tape = images.tape
    var embedding = timeEmbedding(timesteps, on: tape)
    if let classEmbedding { embedding = embedding + classEmbedding(conditioning.classes, on: tape) }
    // Each residual block begins with the same activation, so it is computed once.
    let condition = StageCondition(activated: activation(embedding))

    var x = input(centersInput ? images.scaled(by: 2, adding: -1) : images)
    var skips = [x]
    for block in down { x = block(x, condition, skips: &skips) }
    if let middle { x = middle(x, condition) }
    for block in up { x = block(x, condition, skips: &skips) }
    return output(outputNorm(x, activation: .silu))
  }
}
