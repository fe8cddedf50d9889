import Layers
import Tensors

/// diffusers' `ControlNetModel` (Zhang et al., "Adding Conditional Control to Text-to-Image Diffusion Models", 2023): a
/// copy of a U-Net's encoder that also sees an image, and whose outputs are added to the U-Net's skip connections.
///
/// Tensor names in files follow that class.
public struct ControlNet: ControlNetwork {
  public let parameters: ParameterLayout
  public let imageChannels: Int
  public let conditionChannels: Int
  public let conditionScale: Int
  public let classes: ModelClasses?
  public let contextWidth: Int?
  public let residualChannels: [Int]

  private let reversesChannels: Bool
  private let conditionEmbedding: ConditionEmbedding
  private let encoder: UNetEncoder
  private let skipOutputs: [Convolution2D]
  private let middleOutput: Convolution2D

  public init(_ settings: ControlNetSettings) {
    let builder = ParameterBuilder("control")
    let stages = settings.encoder.stages
    imageChannels = settings.encoder.common.channels
    conditionChannels = settings.conditionChannels
    conditionScale = 1 << (settings.embeddingWidths.count - 1)
    classes = settings.encoder.common.modelClasses
    contextWidth = settings.encoder.attends ? settings.encoder.contextWidth : nil
    reversesChannels = settings.reversesChannels
    encoder = UNetEncoder(builder, settings.encoder, attends: settings.encoder.attends)
    conditionEmbedding = ConditionEmbedding(
      builder["controlnet_cond_embedding"], channels: settings.conditionChannels,
      widths: settings.embeddingWidths, stages[0].width, settings.encoder.common.paddingMode)
    func zeroConvolution(_ builder: ParameterBuilder, _ width: Int) -> Convolution2D {
      Convolution2D(builder, width, width, kernel: 1, initialization: .zeros)
    }
    residualChannels = settings.skips.channels
    skipOutputs = residualChannels.enumerated().map {
      zeroConvolution(builder["controlnet_down_blocks"][$0], $1)
    }
    middleOutput = zeroConvolution(builder["controlnet_mid_block"], stages[stages.count - 1].width)
    parameters = builder.layout
  }

  /// All tensors except those of the condition embedding and of the output convolutions.
  public func isCopied(_ tensor: FileTensor) -> Bool { !tensor.name.hasPrefix("controlnet_") }

  public func callAsFunction(
    _ images: Tensor, timesteps: [Float], condition: Tensor, conditioning: Conditioning
  ) -> Conditioning.ControlResiduals {
    let told = encoder.condition(timesteps, conditioning, on: images.tape)
    let image = reversesChannels ? condition.withReversedChannels() : condition
    let (skips, middle) = encoder([images], adding: conditionEmbedding(image), told)
    return Conditioning.ControlResiduals(
      skips: zip(skipOutputs, skips).map { $0($1) }, middle: middleOutput(middle))
  }
}

/// `ControlNetConditioningEmbedding`: convolutions that reduce an image to the size of the network's input.
private struct ConditionEmbedding: Sendable {
  private let input: Convolution2D
  private let blocks: [Convolution2D]
  private let output: Convolution2D

  init(
    _ builder: ParameterBuilder, channels: Int, widths: [Int], _ outputs: Int, _ paddingMode: PaddingMode
  ) {
    func convolution(
      _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, stride: Int = 1,
      initialization: Parameter.Initialization? = nil
    ) -> Convolution2D {
      Convolution2D(
        builder, inputs, outputs, kernel: 3, stride: stride, padding: 1, paddingMode: paddingMode,
        initialization: initialization)
    }
    input = convolution(builder["conv_in"], channels, widths[0])
    blocks = zip(widths, widths.dropFirst()).enumerated().flatMap { index, pair in
      [
        convolution(builder["blocks"][2 * index], pair.0, pair.0),
        convolution(builder["blocks"][2 * index + 1], pair.0, pair.1, stride: 2),
      ]
    }
    output = convolution(
      builder["conv_out"], widths[widths.count - 1], outputs, initialization: .zeros)
  }

  /// [B, s H, s W, C] -> [B, H, W, outputs].
  func callAsFunction(_ image: Tensor) -> Tensor {
    image.tape.checkpointed {
      output(blocks.reduce(input(image).silu()) { $1($0).silu() })
    }
  }
}

extension Tensor {
  /// The channels in reverse order.
  fileprivate func withReversedChannels() -> Tensor {
    let axis = shape.count - 1
    return .concatenated((0..<shape[axis]).reversed().map { part($0..<$0 + 1, axis: axis) }, axis: axis)
  }
}
