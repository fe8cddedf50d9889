import Layers
import Tensors

/// The U-Net of "The Annotated Diffusion Model": DDPM's (Ho et al., 2020) as simplified by Phil Wang, with
/// weight-standardised convolutions, scale-shift time conditioning, linear attention at every resolution and full
/// attention in the middle.
///
/// Tensor names in files follow the article's PyTorch class `Unet`.
public struct AnnotatedUNet: Denoiser {
  public let parameters: ParameterLayout
  public let imageChannels: Int
  public let predictionChannels: Int
  public let imageSize: ImageSize

  private let isSelfConditioned: Bool
  private let initialConvolution: Convolution2D
  private let timeEmbedding: TimeEmbedding
  private let downs: [DownStage]
  private let middle: (block1: ResNetBlock, attention: ResidualAttention, block2: ResNetBlock)
  private let ups: [UpStage]
  private let finalBlock: ResNetBlock
  private let finalConvolution: Convolution2D

  private struct DownStage: Sendable {
    let block1: ResNetBlock
    let block2: ResNetBlock
    let attention: ResidualAttention
    let downsample: Convolution2D
  }

  private struct UpStage: Sendable {
    let block1: ResNetBlock
    let block2: ResNetBlock
    let attention: ResidualAttention
    let upsamples: Bool
    let convolution: Convolution2D
  }

  public init(
    _ settings: AnnotatedUNetSettings, _ builder: ParameterBuilder = ParameterBuilder("denoiser")
  ) {
    let dim = settings.dim
    let channels = settings.channels
    let dims = [dim] + settings.dimMultiples.map { dim * $0 }
    let stages = Array(zip(dims.dropLast(), dims.dropFirst()))
    let timeWidth = dim * 4

    func block(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int) -> ResNetBlock {
      ResNetBlock(builder, inputs, outputs, timeWidth: timeWidth, groups: settings.groups)
    }

    imageChannels = channels
    predictionChannels = settings.outputChannels
    imageSize = .multiples(of: 1 << (stages.count - 1))
    isSelfConditioned = settings.isSelfConditioned
    initialConvolution = Convolution2D(
      builder["init_conv"], channels * (settings.isSelfConditioned ? 2 : 1), dim, kernel: 1)
    timeEmbedding = TimeEmbedding(builder["time_mlp"], width: dim, timeWidth: timeWidth)

    downs = stages.enumerated().map { index, stage in
      let (inputs, outputs) = stage
      let stageBuilder = builder["downs"][index]
      return DownStage(
        block1: block(stageBuilder[0], inputs, inputs),
        block2: block(stageBuilder[1], inputs, inputs),
        attention: ResidualAttention(stageBuilder[2], kind: .linear, channels: inputs),
        // Pixel unshuffle followed by a 1x1 convolution is a 2x2 convolution of stride 2 with the same weights.
        downsample: index < stages.count - 1
          ? Convolution2D(
            stageBuilder[3][1], inputs, outputs, kernel: 2, stride: 2, fileShape: [outputs, inputs * 4, 1, 1])
          : Convolution2D(stageBuilder[3], inputs, outputs, kernel: 3, padding: 1))
    }

    let width = dims[dims.count - 1]
    middle = (
      block(builder["mid_block1"], width, width),
      ResidualAttention(builder["mid_attn"], kind: .softmax, channels: width),
      block(builder["mid_block2"], width, width)
    )

    ups = stages.reversed().enumerated().map { index, stage in
      let (outputs, inputs) = stage
      let stageBuilder = builder["ups"][index]
      let upsamples = index < stages.count - 1
      return UpStage(
        block1: block(stageBuilder[0], inputs + outputs, inputs),
        block2: block(stageBuilder[1], inputs + outputs, inputs),
        attention: ResidualAttention(stageBuilder[2], kind: .linear, channels: inputs),
        upsamples: upsamples,
        convolution: Convolution2D(
          upsamples ? stageBuilder[3][1] : stageBuilder[3], inputs, outputs, kernel: 3, padding: 1))
    }

    finalBlock = block(builder["final_res_block"], dim * 2, dim)
    finalConvolution = Convolution2D(builder["final_conv"], dim, settings.outputChannels, kernel: 1)
    parameters = builder.layout
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    // As in the article, no estimate is fed back: the self-condition is an image of zeros, concatenated before the
    // image.
    var x =
      isSelfConditioned
      ? initialConvolution(images.tape.zeros(images.shape), images) : initialConvolution(images)
    let first = x
    let time = timeEmbedding(timesteps, on: images.tape)

    var skips: [Tensor] = []
    for stage in downs {
      x = stage.block1(x, time: time)
      skips.append(x)
      x = stage.attention(stage.block2(x, time: time))
      skips.append(x)
      x = stage.downsample(x)
    }

    x = middle.block1(x, time: time)
    x = middle.attention(x)
    x = middle.block2(x, time: time)

    for stage in ups {
      x = stage.block1(x, skips.removeLast(), time: time)
      x = stage.block2(x, skips.removeLast(), time: time)
      x = stage.attention(x)
      x = stage.convolution(stage.upsamples ? x.upsampledToNearest() : x)
    }

    return finalConvolution(finalBlock(x, first, time: time))
  }
}

/// `ResnetBlock`: two `Block`s with a residual connection, the first scaled and shifted by the time embedding.
private struct ResNetBlock: Sendable {
  let timeLinear: Linear
  let block1: Block
  let block2: Block
  let residualConvolution: Convolution2D?

  init(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, timeWidth: Int, groups: Int) {
    timeLinear = Linear(builder["mlp"][1], timeWidth, outputs * 2)
    block1 = Block(builder["block1"], inputs, outputs, groups: groups)
    block2 = Block(builder["block2"], outputs, outputs, groups: groups)
    residualConvolution =
      inputs == outputs ? nil : Convolution2D(builder["res_conv"], inputs, outputs, kernel: 1)
  }

  /// - Parameter inputs: one image, or two that are treated as concatenated along the channels.
  func callAsFunction(_ inputs: Tensor..., time: Tensor) -> Tensor {
    time.tape.checkpointed {
      let h = block1(inputs, scaleShift: timeLinear(time.silu()))
      return block2(h, residual: residualConvolution.map { $0(inputs) } ?? inputs[0])
    }
  }
}

/// `Block`: convolution, group normalisation, SiLU.
private struct Block: Sendable {
  let proj: Convolution2D
  let norm: GroupNorm

  init(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, groups: Int) {
    proj = Convolution2D(builder["proj"], inputs, outputs, kernel: 3, padding: 1, isStandardized: true)
    norm = GroupNorm(builder["norm"], groups: groups, channels: outputs)
  }

  func callAsFunction(_ inputs: [Tensor], scaleShift: Tensor) -> Tensor {
    norm(proj(inputs), scaleShift: scaleShift, activation: .silu)
  }

  func callAsFunction(_ x: Tensor, residual: Tensor) -> Tensor {
    norm(proj(x), activation: .silu, residual: residual)
  }
}
