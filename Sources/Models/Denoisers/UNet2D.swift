import Layers
import Tensors

/// diffusers' `UNet2DModel`: the U-Nets of DDPM (Ho et al., 2020) and improved-diffusion (Nichol and Dhariwal, 2021).
///
/// Names in files are those of that class.
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

  public init(_ settings: UNet2DSettings) {
    let builder = ParameterBuilder("denoiser")
    let (widths, epsilon) = (settings.widths, Float(settings.epsilon))
    imageChannels = settings.channels
    predictionChannels = settings.outputChannels
    imageSize = .multiples(of: 1 << (widths.count - 1))
    classes = settings.classes.map { ModelClasses(count: $0, dropout: 0, key: "num_class_embeds") }
    centersInput = settings.centersInput
    activation = settings.activation

    var style = ResnetBlock2D.Style(
      embeddingWidth: settings.embeddingWidth, groups: settings.groups, epsilon: epsilon,
      activation: settings.activation, scalesAndShifts: settings.scalesAndShifts)
    input = Convolution2D(builder["conv_in"], settings.channels, widths[0], kernel: 3, padding: 1)
    timeEmbedding = TimestepEmbedding(
      builder["time_embedding"], sinusoids: widths[0], width: settings.embeddingWidth,
      cosinesFirst: settings.cosinesFirst, shift: settings.frequencyShift)
    classEmbedding = settings.classes.map {
      Embedding(builder["class_embedding"], rows: $0, width: settings.embeddingWidth)
    }
    func attention(_ block: UNet2DSettings.Block, _ channels: Int) -> StageAttention? {
      guard block == .attention else { return nil }
      return .spatial(headWidth: settings.headWidth ?? channels, groups: settings.groups)
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
    style.outputScale = Float(settings.middleScale)
    let middleAttention = StageAttention.spatial(
      headWidth: settings.headWidth ?? lowest, groups: settings.middleAttentionGroups)
    middle =
      settings.hasMiddle
      ? MiddleBlock2D(
        builder["mid_block"], lowest, attention: settings.middleAttends ? middleAttention : nil, style) : nil
    outputNorm = GroupNorm(
      builder["conv_norm_out"], groups: settings.groups, channels: widths[0], epsilon: epsilon)
    output = Convolution2D(builder["conv_out"], widths[0], settings.outputChannels, kernel: 3, padding: 1)
    parameters = builder.layout
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    let tape = images.tape
    var embedding = timeEmbedding(timesteps, on: tape)
    if let classEmbedding { embedding = embedding + classEmbedding(conditioning.classes, on: tape) }
    // Each residual block begins with the same activation.
    let condition = StageCondition(activated: activation(embedding))

    var x = input(centersInput ? images.scaled(by: 2, adding: -1) : images)
    var skips = [x]
    for block in down { x = block(x, condition, skips: &skips) }
    if let middle { x = middle(x, condition) }
    for block in up { x = block(x, condition, skips: &skips) }
    return output(outputNorm(x, activation: .silu))
  }
}
