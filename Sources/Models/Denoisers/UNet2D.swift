import Layers
import Tensors

/// diffusers' `UNet2DModel`: the U-Nets of DDPM (Ho et al., 2020) and improved-diffusion (Nichol and Dhariwal, 2021).
///
/// Names in files are those of that class.
public struct UNet2D: Denoiser {
  public let parameters: ParameterLayout
  public let imageChannels: Int
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
    let builder = ParameterBuilder()
    let (widths, epsilon) = (settings.widths, Float(settings.epsilon))
    imageChannels = settings.channels
    predictionChannels = settings.outputChannels
    imageSize = .multiples(of: 1 << (widths.count - 1))
    classes = settings.classes.map { ModelClasses(count: $0, dropout: 0) }
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
    func headWidth(_ channels: Int) -> Int { settings.headWidth ?? channels }
    down = settings.down.enumerated().map { [style] index, block in
      DownBlock2D(
        builder["down_blocks"][index], index == 0 ? widths[0] : widths[index - 1], widths[index],
        layers: settings.layers, headWidth: block == .attention ? headWidth(widths[index]) : nil,
        downsamplePadding: index == widths.count - 1 ? nil : settings.downsamplePadding, style)
    }
    let inputs = Self.upInputs(widths: widths, layers: settings.layers)
    up = settings.up.enumerated().map { [style] index, block in
      let width = widths[widths.count - 1 - index]
      return UpBlock2D(
        builder["up_blocks"][index], inputs[index], width,
        headWidth: block == .attention ? headWidth(width) : nil, upsamples: index < widths.count - 1, style)
    }
    let lowest = widths[widths.count - 1]
    style.outputScale = Float(settings.middleScale)
    middle =
      settings.hasMiddle
      ? MiddleBlock2D(
        builder["mid_block"], lowest, headWidth: settings.middleAttends ? headWidth(lowest) : nil,
        attentionGroups: settings.middleAttentionGroups, style) : nil
    outputNorm = GroupNorm(
      builder["conv_norm_out"], groups: settings.groups, channels: widths[0], epsilon: epsilon)
    output = Convolution2D(builder["conv_out"], widths[0], settings.outputChannels, kernel: 3, padding: 1)
    parameters = builder.layout
  }

  /// Of each residual block on the way up, the channels that come from below and those of the skip connection.
  static func upInputs(widths: [Int], layers: Int) -> [[(Int, Int)]] {
    // What the way down leaves: the input's convolution, then of each resolution its blocks and what is halved.
    var skips = [widths[0]]
    for (index, width) in widths.enumerated() {
      skips += [Int](repeating: width, count: layers + (index < widths.count - 1 ? 1 : 0))
    }
    var channels = widths[widths.count - 1]
    return widths.reversed().map { width in
      (0...layers).map { _ in
        defer { channels = width }
        return (channels, skips.removeLast())
      }
    }
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    let tape = images.tape
    var embedding = timeEmbedding(timesteps, on: tape)
    if let classEmbedding { embedding = embedding + classEmbedding(conditioning.classes, on: tape) }
    // Each residual block begins with the same activation.
    let activated = activation(embedding)

    var x = input(centersInput ? images.scaled(by: 2, adding: -1) : images)
    var skips = [x]
    for block in down { x = block(x, activated: activated, skips: &skips) }
    if let middle { x = middle(x, activated: activated) }
    for block in up { x = block(x, activated: activated, skips: &skips) }
    return output(outputNorm(x, activation: .silu))
  }
}
