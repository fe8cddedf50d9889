import Layers
import Tensors

/// The U-Net of "The Annotated Diffusion Model" (N. Rogge and K. Rasul, 2022) with plain residual blocks: the time
/// embedding is added between their two convolutions, and resolution changes by 4x4 convolutions, transposed ones on
/// the way up.
///
/// Tensor names in files follow the article's PyTorch class `Unet`.
public struct ResNetUNet: Denoiser {
  public let parameters: ParameterLayout
  public let imageChannels: Int
  public let predictionChannels: Int
  public let imageSize: ImageSize

  private let initialConvolution: Convolution2D
  private let timeEmbedding: TimeEmbedding?
  private let downs: [DownStage]
  private let middle: (block1: ResNetBlock, attention: ResidualAttention, block2: ResNetBlock)
  private let ups: [UpStage]
  private let finalBlock: ResNetBlock
  private let finalConvolution: Convolution2D

  private struct DownStage: Sendable {
    let block1: ResNetBlock
    let block2: ResNetBlock
    let attention: ResidualAttention
    /// nil at the lowest resolution.
    let downsample: Convolution2D?
  }

  private struct UpStage: Sendable {
    let block1: ResNetBlock
    let block2: ResNetBlock
    let attention: ResidualAttention
    let upsample: TransposedConvolution2D
  }

  public init(
    _ settings: ResNetUNetSettings, _ builder: ParameterBuilder = ParameterBuilder("denoiser")
  ) {
    let dim = settings.dim
    let dims = [settings.initialDim] + settings.dimMultiples.map { dim * $0 }
    let stages = Array(zip(dims.dropLast(), dims.dropFirst()))
    let timeWidth = settings.hasTimeEmbedding ? dim : nil

    func block(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, timeWidth: Int?) -> ResNetBlock {
      ResNetBlock(builder, inputs, outputs, timeWidth: timeWidth, groups: settings.groups)
    }

    imageChannels = settings.channels
    predictionChannels = settings.outputChannels
    imageSize = .multiples(of: 1 << (stages.count - 1))
    initialConvolution = Convolution2D(
      builder["init_conv"], settings.channels, settings.initialDim, kernel: 7, padding: 3)
    timeEmbedding = timeWidth.map { TimeEmbedding(builder["time_mlp"], width: dim, timeWidth: $0) }

    downs = stages.enumerated().map { index, stage in
      let (inputs, outputs) = stage
      let stageBuilder = builder["downs"][index]
      return DownStage(
        block1: block(stageBuilder[0], inputs, outputs, timeWidth: timeWidth),
        block2: block(stageBuilder[1], outputs, outputs, timeWidth: timeWidth),
        attention: ResidualAttention(stageBuilder[2], kind: .linear, channels: outputs),
        downsample: index < stages.count - 1
          ? Convolution2D(stageBuilder[3]["conv"], outputs, outputs, kernel: 4, stride: 2, padding: 1) : nil)
    }

    let width = dims[dims.count - 1]
    middle = (
      block(builder["mid_block1"], width, width, timeWidth: timeWidth),
      ResidualAttention(builder["mid_attn"], kind: .softmax, channels: width),
      block(builder["mid_block2"], width, width, timeWidth: timeWidth)
    )

    // One stage fewer than on the way down: all of them upsample, and the output of the first stage down is not reused.
    ups = stages.dropFirst().reversed().enumerated().map { index, stage in
      let (outputs, inputs) = stage
      let stageBuilder = builder["ups"][index]
      return UpStage(
        block1: block(stageBuilder[0], inputs * 2, outputs, timeWidth: timeWidth),
        block2: block(stageBuilder[1], outputs, outputs, timeWidth: timeWidth),
        attention: ResidualAttention(stageBuilder[2], kind: .linear, channels: outputs),
        upsample: TransposedConvolution2D(
          stageBuilder[3]["trans_conv"], outputs, outputs, kernel: 4, stride: 2, padding: 1))
    }

    finalBlock = block(builder["final_conv"][0], dim, dim, timeWidth: nil)
    finalConvolution = Convolution2D(builder["final_conv"][1], dim, settings.outputChannels, kernel: 1)
    parameters = builder.layout
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    var x = initialConvolution(images)
    let time = timeEmbedding.map { $0(timesteps, on: images.tape) }

    var skips: [Tensor] = []
    for stage in downs {
      x = stage.block1(x, time: time)
      x = stage.block2(x, time: time)
      x = stage.attention(x)
      skips.append(x)
      x = stage.downsample.map { $0(x) } ?? x
    }

    x = middle.block1(x, time: time)
    x = middle.attention(x)
    x = middle.block2(x, time: time)

    for stage in ups {
      x = stage.block1(x, skips.removeLast(), time: time)
      x = stage.block2(x, time: time)
      x = stage.attention(x)
      x = stage.upsample(x)
    }

    return finalConvolution(finalBlock(x, time: nil))
  }
}

/// `ResnetBlock`: two `ConvBlock`s with a residual connection; the time embedding is added in between.
private struct ResNetBlock: Sendable {
  let timeLinear: Linear?
  let block1: ConvBlock
  let block2: ConvBlock
  let residualConvolution: Convolution2D?

  init(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, timeWidth: Int?, groups: Int) {
    timeLinear = timeWidth.map { Linear(builder["mlp"][1], $0, outputs) }
    block1 = ConvBlock(builder["block1"], inputs, outputs, groups: groups)
    block2 = ConvBlock(builder["block2"], outputs, outputs, groups: groups)
    residualConvolution =
      inputs == outputs ? nil : Convolution2D(builder["res_conv"], inputs, outputs, kernel: 1)
  }

  /// - Parameter inputs: one image, or two that are treated as concatenated along the channels.
  func callAsFunction(_ inputs: Tensor..., time: Tensor?) -> Tensor {
    inputs[0].tape.checkpointed {
      var h = block1(inputs)
      if let time, let timeLinear { h = h.adding(timeLinear(time.silu())) }
      return block2([h], residual: residualConvolution.map { $0(inputs) } ?? inputs[0])
    }
  }
}

/// `ConvBlock`: convolution, group normalisation, SiLU.
private struct ConvBlock: Sendable {
  let proj: Convolution2D
  let norm: GroupNorm

  init(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, groups: Int) {
    proj = Convolution2D(builder["proj"], inputs, outputs, kernel: 3, padding: 1)
    norm = GroupNorm(builder["norm"], groups: groups, channels: outputs)
  }

  func callAsFunction(_ inputs: [Tensor], residual: Tensor? = nil) -> Tensor {
    norm(proj(inputs), activation: .silu, residual: residual)
  }
}
