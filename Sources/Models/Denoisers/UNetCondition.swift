import Layers
import Tensors

/// diffusers' `UNet2DConditionModel`: the U-Net of Stable Diffusion (Rombach et al., 2022), whose transformers attend to
/// the tokens of a text.
///
/// Names in files are those of that class.
public struct UNetCondition: Denoiser {
  public let parameters: ParameterLayout
  public let imageChannels: Int
  public let imageChannelsKey = "in_channels"
  public let predictionChannels: Int
  public let predictionChannelsKey = "out_channels"
  public let imageSize: ImageSize
  public let classes: ModelClasses?
  /// Numbers of a token of the context; nil for a model without attention to one.
  public let contextWidth: Int?

  private let centersInput: Bool
  private let activation: BlockActivation
  private let timeEmbedding: TimestepEmbedding
  private let classEmbedding: Embedding?
  private let input: Convolution2D
  private let down: [DownBlock2D]
  private let middle: MiddleBlock2D?
  private let up: [UpBlock2D]
  private let outputNorm: GroupNorm
  private let output: Convolution2D

  public init(_ settings: UNetConditionSettings) {
    let builder = ParameterBuilder("denoiser")
    let common = settings.common
    let stages = settings.stages
    let (first, last) = (stages[0], stages[stages.count - 1])
    imageChannels = common.channels
    predictionChannels = common.outputChannels
    imageSize = common.imageSize
    classes = common.modelClasses
    contextWidth = settings.attends ? settings.contextWidth : nil
    centersInput = common.centersInput
    activation = common.activation

    var style = common.style
    func attention(_ stage: UNetConditionSettings.Stage, onlyCross: Bool) -> StageAttention {
      .transformer(
        depth: stage.transformerDepth,
        Transformer2D.Style(
          heads: stage.heads, contextWidth: settings.contextWidth, groups: common.groups,
          usesLinearProjection: settings.usesLinearProjection, onlyCrossAttention: onlyCross))
    }
    let onlyCross = settings.onlyCrossAttention

    input = Convolution2D(
      builder["conv_in"], common.channels, first.width, kernel: settings.inputKernel,
      padding: (settings.inputKernel - 1) / 2)
    timeEmbedding = TimestepEmbedding(
      builder["time_embedding"], sinusoids: first.width, width: common.embeddingWidth,
      cosinesFirst: common.cosinesFirst, shift: common.frequencyShift, activation: common.activation)
    classEmbedding = common.classes.map {
      Embedding(builder["class_embedding"], rows: $0, width: common.embeddingWidth)
    }
    down = stages.enumerated().map { [style] index, stage in
      DownBlock2D(
        builder["down_blocks"][index], stages[max(index - 1, 0)].width, stage.width, layers: stage.layers,
        attention: stage.attendsDown ? attention(stage, onlyCross: onlyCross) : nil,
        downsampling: index == stages.count - 1 ? nil : .convolution(padding: common.downsamplePadding),
        style)
    }
    let inputs = settings.skips.sums
    up = stages.reversed().enumerated().map { [style] index, stage in
      UpBlock2D(
        builder["up_blocks"][index], inputs[index], stage.width,
        attention: stage.attendsUp ? attention(stage, onlyCross: onlyCross) : nil,
        upsampling: index < stages.count - 1 ? .convolution : nil, style)
    }
    style.outputScale = common.middleScale
    switch settings.middle {
    case .none: middle = nil
    case .some(let kind):
      middle = MiddleBlock2D(
        builder["mid_block"], last.width,
        attention: kind == .attending ? attention(last, onlyCross: false) : nil,
        hasSecond: kind == .attending, style)
    }
    outputNorm = GroupNorm(
      builder["conv_norm_out"], groups: common.groups, channels: first.width, epsilon: common.epsilon)
    output = Convolution2D(
      builder["conv_out"], first.width, common.outputChannels, kernel: settings.outputKernel,
      padding: (settings.outputKernel - 1) / 2)
    parameters = builder.layout
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    let tape = images.tape
    precondition(
      contextWidth == nil || conditioning.context?.shape.last == contextWidth,
      "a context \(conditioning.context?.shape ?? []) for a model of \(contextWidth ?? 0) numbers a token")
    var embedding = timeEmbedding(timesteps, on: tape)
    if let classEmbedding { embedding = embedding + classEmbedding(conditioning.classes, on: tape) }
    let condition = StageCondition(
      // Each residual block begins with the same activation.
      activated: activation(embedding),
      context: contextWidth == nil
        ? nil : conditioning.context.map { TokenContext($0, lengths: conditioning.contextLengths) })

    func centred(_ x: Tensor) -> Tensor { centersInput ? x.scaled(by: 2, adding: -1) : x }
    var x = input([images, conditioning.image].compactMap { $0 }.map(centred))
    var skips = [x]
    for block in down { x = block(x, condition, skips: &skips) }
    if let middle { x = middle(x, condition) }
    if let control = conditioning.control {
      precondition(
        control.skips.count == skips.count, "\(control.skips.count) residuals, \(skips.count) skips")
      skips = zip(skips, control.skips).map { $0 + $1 }
      x = x + control.middle
    }
    for block in up { x = block(x, condition, skips: &skips) }
    return output(activation(outputNorm, x))
  }
}
