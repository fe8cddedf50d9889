import Layers
import Tensors

/// The small U-Net of "Deep Learning from Scratch 5" (K. Saito, 2024): batch normalisation, max pooling, bilinear
/// upsampling, and an embedding of time and class added to the images before each block.
///
/// Tensor names in files follow its PyTorch class `UNetCond`.
public struct ConditionalUNet: Denoiser {
  public let parameters: ParameterLayout
  public let imageChannels: Int
  public let predictionChannels: Int
  public let classes: ModelClasses?
  public let imageSize = ImageSize.multiples(of: 4)

  private let sinusoids: InterleavedSinusoidalEmbedding
  private let labelEmbedding: Embedding?
  private let down1: ConvBlock
  private let down2: ConvBlock
  private let bottom: ConvBlock
  private let up2: ConvBlock
  private let up1: ConvBlock
  private let output: Convolution2D

  public init(
    _ settings: ConditionalUNetSettings, _ builder: ParameterBuilder = ParameterBuilder("denoiser")
  ) {
    let (channels, width) = (settings.channels, settings.width)
    let embeddingWidth = settings.embeddingWidth

    func block(_ name: String, _ inputs: Int, _ outputs: Int) -> ConvBlock {
      ConvBlock(builder[name], inputs, outputs, embeddingWidth: embeddingWidth)
    }

    imageChannels = channels
    predictionChannels = channels
    classes = settings.classes
    sinusoids = InterleavedSinusoidalEmbedding(width: embeddingWidth)
    down1 = block("down1", channels, width)
    down2 = block("down2", width, 2 * width)
    bottom = block("bot1", 2 * width, 4 * width)
    up2 = block("up2", 4 * width + 2 * width, 2 * width)
    up1 = block("up1", 2 * width + width, width)
    output = Convolution2D(builder["out"], width, channels, kernel: 1)
    labelEmbedding = settings.classes.map {
      Embedding(builder["label_embed"], rows: $0.count, width: embeddingWidth)
    }
    parameters = builder.layout
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    var v = sinusoids(timesteps, on: images.tape)
    if let labelEmbedding { v = v + labelEmbedding(conditioning.classes, on: images.tape) }

    let x1 = down1(images, embedding: v)
    let x2 = down2(x1.maxPooled(), embedding: v)
    var x = bottom(x2.maxPooled(), embedding: v)
    x = up2(x.upsampledBilinearly(alignsCorners: false), x2, embedding: v)
    x = up1(x.upsampledBilinearly(alignsCorners: false), x1, embedding: v)
    return output(x)
  }
}

/// `ConvBlock`: an embedding added to all pixels, then two convolutions with batch normalisation and ReLU.
private struct ConvBlock: Sendable {
  let linear1: Linear
  let linear2: Linear
  let convolution1: Convolution2D
  let norm1: BatchNorm
  let convolution2: Convolution2D
  let norm2: BatchNorm

  init(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, embeddingWidth: Int) {
    convolution1 = Convolution2D(
      builder["convs"][0], inputs, outputs, kernel: 3, padding: 1, precedesBatchNorm: true)
    norm1 = BatchNorm(builder["convs"][1], channels: outputs)
    convolution2 = Convolution2D(
      builder["convs"][3], outputs, outputs, kernel: 3, padding: 1, precedesBatchNorm: true)
    norm2 = BatchNorm(builder["convs"][4], channels: outputs)
    linear1 = Linear(builder["mlp"][0], embeddingWidth, inputs)
    linear2 = Linear(builder["mlp"][2], inputs, inputs)
  }

  /// - Parameter inputs: one image, or two that are treated as concatenated along the channels.
  func callAsFunction(_ inputs: Tensor..., embedding: Tensor) -> Tensor {
    embedding.tape.checkpointed {
      let v = linear2(linear1(embedding).relu())
      var channel = 0
      let shifted = inputs.map { x in
        defer { channel += x.shape[3] }
        return x.adding(v, from: channel)
      }
      return norm2(convolution2(norm1(convolution1(shifted))))
    }
  }
}
