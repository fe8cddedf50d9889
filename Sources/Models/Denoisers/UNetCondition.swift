import Layers
import Tensors

/// diffusers' `UNet2DConditionModel`: the U-Net of Stable Diffusion (Rombach et al., 2022), whose transformers attend
/// to the tokens of a text.
///
/// Tensor names in files follow that class.
public struct UNetCondition: Denoiser {
  public let parameters: ParameterLayout
  public let imageChannels: Int
  public let imageChannelsKey = "in_channels"
  public let predictionChannels: Int
  public let predictionChannelsKey = "out_channels"
  public let imageSize: ImageSize
  public let classes: ModelClasses?
  /// Width of a context token; nil for a model without cross-attention.
  public let contextWidth: Int?
  public let skipChannels: [Int]?

  private let centersInput: Bool
  private let activation: BlockActivation
  private let encoder: UNetEncoder
  private let up: [UpBlock2D]
  private let outputNorm: GroupNorm
  private let output: Convolution2D

  public init(
    _ settings: UNetConditionSettings, _ builder: ParameterBuilder = ParameterBuilder("denoiser")
  ) {
    let common = settings.common
    let stages = settings.encoder.stages
    imageChannels = common.channels
    predictionChannels = common.outputChannels
    imageSize = common.imageSize
    classes = common.modelClasses
    contextWidth = settings.attends ? settings.encoder.contextWidth : nil
    skipChannels = settings.skips.channels
    centersInput = common.centersInput
    activation = common.activation

    encoder = UNetEncoder(builder, settings.encoder, attends: settings.attends)
    let inputs = settings.skips.sums
    up = stages.indices.reversed().enumerated().map { index, place in
      UpBlock2D(
        builder["up_blocks"][index], inputs[index], stages[place].width,
        attention: settings.attendsUp[place] ? settings.encoder.attention(stages[place]) : nil,
        upsampling: place > 0 ? .convolution : nil, common.style)
    }
    outputNorm = GroupNorm(
      builder["conv_norm_out"], groups: common.groups, channels: stages[0].width, epsilon: common.epsilon)
    output = Convolution2D(
      builder["conv_out"], stages[0].width, common.outputChannels, kernel: settings.outputKernel,
      padding: (settings.outputKernel - 1) / 2, paddingMode: common.paddingMode)
    parameters = builder.layout
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    let condition = encoder.condition(timesteps, conditioning, on: images.tape)
    func centred(_ x: Tensor) -> Tensor { centersInput ? x.scaled(by: 2, adding: -1) : x }
    var (skips, x) = encoder([images, conditioning.image].compactMap { $0 }.map(centred), condition)
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
