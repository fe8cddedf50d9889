import Layers
import Tensors

/// The first half of diffusers' `UNet2DConditionModel` and `ControlNetModel`, from images to the lowest resolution: the
/// first convolution, the timestep embedding, the downsampling blocks and the middle block.
struct UNetEncoder: Sendable {
  private let contextWidth: Int?
  private let activation: BlockActivation
  private let timeEmbedding: TimestepEmbedding
  private let classEmbedding: Embedding?
  private let input: Convolution2D
  private let down: [DownBlock2D]
  private let middle: MiddleBlock2D?

  /// - Parameter attends: whether any block of the network attends to a context.
  init(_ builder: ParameterBuilder, _ settings: UNetEncoderSettings, attends: Bool) {
    let common = settings.common
    let stages = settings.stages
    let (first, last) = (stages[0], stages[stages.count - 1])
    contextWidth = attends ? settings.contextWidth : nil
    activation = common.activation
    input = Convolution2D(
      builder["conv_in"], common.channels, first.width, kernel: settings.inputKernel,
      padding: (settings.inputKernel - 1) / 2, paddingMode: common.paddingMode)
    timeEmbedding = TimestepEmbedding(
      builder["time_embedding"], sinusoids: first.width, width: common.embeddingWidth,
      cosinesFirst: common.cosinesFirst, shift: common.frequencyShift, activation: common.activation)
    classEmbedding = common.classes.map {
      Embedding(builder["class_embedding"], rows: $0, width: common.embeddingWidth)
    }
    down = stages.enumerated().map { index, stage in
      DownBlock2D(
        builder["down_blocks"][index], stages[max(index - 1, 0)].width, stage.width, layers: stage.layers,
        attention: stage.attends ? settings.attention(stage) : nil,
        downsampling: index == stages.count - 1 ? nil : .convolution(padding: common.downsamplePadding),
        common.style)
    }
    var style = common.style
    style.outputScale = common.middleScale
    middle = settings.middle.map { [style] kind in
      MiddleBlock2D(
        builder["mid_block"], last.width,
        attention: kind == .attending ? settings.attention(last, onlyCross: false) : nil,
        hasSecond: kind == .attending, style)
    }
  }

  /// The condition shared by all blocks of the network.
  func condition(_ timesteps: [Float], _ conditioning: Conditioning, on tape: Tape) -> StageCondition {
    precondition(
      contextWidth == nil || conditioning.context?.shape.last == contextWidth,
      "a context \(conditioning.context?.shape ?? []) for a model of \(contextWidth ?? 0) numbers a token")
    var embedding = timeEmbedding(timesteps, on: tape)
    if let classEmbedding { embedding = embedding + classEmbedding(conditioning.classes, on: tape) }
    return StageCondition(
      // Each residual block begins with the same activation, so it is computed once.
      activated: activation(embedding),
      context: contextWidth == nil
        ? nil : conditioning.context.map { TokenContext($0, lengths: conditioning.contextLengths) })
  }

  /// - Parameters:
  ///   - images: [B, H, W, C] each, treated as concatenated along the channels.
  ///   - addition: added after the first convolution, [B, H, W, first width].
  /// - Returns: the skip connections, and the output of the middle block.
  func callAsFunction(
    _ images: [Tensor], adding addition: Tensor? = nil, _ condition: StageCondition
  ) -> (skips: [Tensor], middle: Tensor) {
    var x = input(images)
    if let addition { x = x + addition }
    var skips = [x]
    for block in down { x = block(x, condition, skips: &skips) }
    return (skips, middle.map { $0(x, condition) } ?? x)
  }
}

extension UNetEncoderSettings {
  /// The transformers of one resolution.
  func attention(_ stage: Stage, onlyCross: Bool? = nil) -> StageAttention {
    .transformer(
      depth: stage.transformerDepth,
      Transformer2D.Style(
        heads: stage.heads, contextWidth: contextWidth, groups: common.groups,
        usesLinearProjection: usesLinearProjection, onlyCrossAttention: onlyCross ?? onlyCrossAttention))
  }
}
