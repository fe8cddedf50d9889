import Kernels
import Layers
import Tensors

/// The `UNet` of "Diffusion Models | PyTorch Implementation" (https://github.com/dome272/Diffusion-Models-pytorch):
/// pairs of convolutions, max pooling on the way down and bilinear interpolation on the way up, with self-attention
/// between all pixels after each change of resolution, including at full resolution.
///
/// Tensor names in files follow that class.
public struct AttentionUNet: Denoiser {
  public let parameters: ParameterLayout
  public let imageChannels: Int
  public let predictionChannels: Int
  public let predictionChannelsKey = "out_channels"
  public let imageSize: ImageSize

  private let sinusoids: SinusoidalEmbedding
  private let initialConvolution: DoubleConvolution
  private let downs: [DownStage]
  private let bottleneck: [DoubleConvolution]
  private let ups: [UpStage]
  private let finalConvolution: Convolution2D

  private struct DownStage: Sendable {
    let down: Down
    let attention: SelfAttentionBlock
  }

  private struct UpStage: Sendable {
    let up: Up
    let attention: SelfAttentionBlock
  }

  public init(
    _ settings: AttentionUNetSettings, _ builder: ParameterBuilder = ParameterBuilder("denoiser")
  ) {
    let (width, time) = (settings.width, settings.timeWidth)
    imageChannels = settings.channels
    predictionChannels = settings.outputChannels
    imageSize = .square(settings.imageSize)
    sinusoids = SinusoidalEmbedding(width: time, spacing: .halfOpen)

    initialConvolution = DoubleConvolution(builder["inc"], settings.channels, width)
    downs = [(width, 2 * width), (2 * width, 4 * width), (4 * width, 4 * width)].enumerated().map {
      index, channels in
      DownStage(
        down: Down(builder["down\(index + 1)"], channels.0, channels.1, timeWidth: time),
        attention: SelfAttentionBlock(builder["sa\(index + 1)"], channels: channels.1))
    }
    bottleneck = [(4 * width, 8 * width), (8 * width, 8 * width), (8 * width, 4 * width)].enumerated().map {
      index, channels in DoubleConvolution(builder["bot\(index + 1)"], channels.0, channels.1)
    }
    // Half of the input channels come from the stage below, half from the skip connection.
    ups = [(8 * width, 2 * width), (4 * width, width), (2 * width, width)].enumerated().map {
      index, channels in
      UpStage(
        up: Up(builder["up\(index + 1)"], channels.0, channels.1, timeWidth: time),
        attention: SelfAttentionBlock(builder["sa\(index + 4)"], channels: channels.1))
    }
    finalConvolution = Convolution2D(builder["outc"], width, settings.outputChannels, kernel: 1)
    parameters = builder.layout
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    let time = sinusoids(timesteps, on: images.tape)
    // As in the article, the time embedding passes through ReLU on the way down and SiLU on the way up.
    let (downTime, upTime) = (time.relu(), time.silu())

    var x = initialConvolution(images)
    var skips: [Tensor] = []
    for stage in downs {
      skips.append(x)
      x = stage.attention(stage.down(x, time: downTime))
    }
    for convolution in bottleneck { x = convolution(x) }
    for stage in ups { x = stage.attention(stage.up(x, skip: skips.removeLast(), time: upTime)) }
    return finalConvolution(x)
  }
}

/// `DoubleConv`: convolution, normalisation over all channels and ReLU, twice.
private struct DoubleConvolution: Sendable {
  let convolution1: Convolution2D
  let norm1: GroupNorm
  let convolution2: Convolution2D
  let norm2: GroupNorm

  init(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int) {
    convolution1 = Convolution2D(builder["conv1"][0], inputs, outputs, kernel: 3, padding: 1)
    norm1 = GroupNorm(builder["conv1"][1], groups: 1, channels: outputs)
    convolution2 = Convolution2D(builder["conv2"][0], outputs, outputs, kernel: 3, padding: 1)
    norm2 = GroupNorm(builder["conv2"][1], groups: 1, channels: outputs)
  }

  /// - Parameter inputs: images treated as concatenated along the channels.
  func callAsFunction(_ inputs: Tensor...) -> Tensor {
    // Within `Down` and `Up`, their checkpointed stage includes this one.
    inputs[0].tape.checkpointed {
      norm2(convolution2(norm1(convolution1(inputs), activation: .relu)), activation: .relu)
    }
  }
}

/// `Down`: max pooling, two convolutions, then the time embedding is added.
private struct Down: Sendable {
  let convolution: DoubleConvolution
  let timeLinear: Linear

  init(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, timeWidth: Int) {
    convolution = DoubleConvolution(builder["down"][1], inputs, outputs)
    timeLinear = Linear(builder["emb_layer"][1], timeWidth, outputs)
  }

  func callAsFunction(_ x: Tensor, time: Tensor) -> Tensor {
    x.tape.checkpointed { convolution(x.maxPooled()).adding(timeLinear(time)) }
  }
}

/// `Up`: upsampling, two convolutions over the result and a skip connection, then the time embedding is added.
private struct Up: Sendable {
  let convolution: DoubleConvolution
  let timeLinear: Linear

  init(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, timeWidth: Int) {
    convolution = DoubleConvolution(builder["conv"], inputs, outputs)
    timeLinear = Linear(builder["emb_layer"][1], timeWidth, outputs)
  }

  func callAsFunction(_ x: Tensor, skip: Tensor, time: Tensor) -> Tensor {
    x.tape.checkpointed {
      convolution(skip, x.upsampledBilinearly(alignsCorners: true)).adding(timeLinear(time))
    }
  }
}

/// `SelfAttention`: attention between all pixels and a two-layer MLP, each with pre-normalisation and a residual
/// connection.
private struct SelfAttentionBlock: Sendable {
  let norm: LayerNorm
  let attention: MultiHeadAttention
  let perceptronNorm: LayerNorm
  let linear1: Linear
  let linear2: Linear

  init(_ builder: ParameterBuilder, channels: Int) {
    attention = MultiHeadAttention(builder["mha"], channels: channels, heads: AttentionUNetSettings.heads)
    norm = LayerNorm(builder["ln"], channels: channels)
    perceptronNorm = LayerNorm(builder["ff_self"][0], channels: channels)
    linear1 = Linear(builder["ff_self"][1], channels, channels)
    linear2 = Linear(builder["ff_self"][3], channels, channels)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    x.tape.checkpointed {
      let attentionOutput = attention(norm(x), residual: x)
      return linear2(linear1(perceptronNorm(attentionOutput), activation: .gelu), residual: attentionOutput)
    }
  }
}
