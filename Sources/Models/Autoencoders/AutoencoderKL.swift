import Layers
import Tensors

/// diffusers' `AutoencoderKL`: the variational autoencoder (Kingma and Welling, 2014) in whose latent space Stable
/// Diffusion's U-Net works (Rombach et al., 2022).
///
/// Tensor names in files follow that class.
public struct AutoencoderKL: Sendable {
  public let parameters: ParameterLayout
  /// Channels of the images.
  public let imageChannels: Int
  public let reconstructionChannels: Int
  public let latentChannels: Int
  /// Ratio of an image's side to its latent's.
  public let downsampling: Int
  /// Whether convolutions see the opposite edges, so that an image cannot be cut into tiles.
  public let isPeriodic: Bool
  /// Factor applied to latents for a denoiser, after `latentShift` has been subtracted.
  public let scalingFactor: Float
  public let latentShift: Float

  private let encoder: Encoder
  private let quantConvolution: Convolution2D?
  private let postQuantConvolution: Convolution2D?
  private let decoder: Decoder

  /// Added to variances in normalisation layers.
  fileprivate static let epsilon: Float = 1e-6

  /// - Parameter builder: builder of the parameter set, still empty.
  public init(
    _ settings: AutoencoderKLSettings, _ builder: ParameterBuilder = ParameterBuilder("autoencoder")
  ) {
    imageChannels = settings.channels
    reconstructionChannels = settings.outputChannels
    latentChannels = settings.latentChannels
    downsampling = 1 << (settings.widths.count - 1)
    isPeriodic = settings.paddingMode == .periodic
    scalingFactor = Float(settings.scalingFactor)
    latentShift = Float(settings.latentShift)
    let latents = settings.latentChannels
    encoder = Encoder(builder["encoder"], settings)
    quantConvolution =
      settings.hasQuantConvolution
      ? Convolution2D(builder["quant_conv"], 2 * latents, 2 * latents, kernel: 1) : nil
    postQuantConvolution =
      settings.hasPostQuantConvolution
      ? Convolution2D(builder["post_quant_conv"], latents, latents, kernel: 1) : nil
    decoder = Decoder(builder["decoder"], settings)
    parameters = builder.layout
  }

  /// The posterior of the latents of images.
  ///
  /// - Parameter images: [B, H, W, C] with sides that are multiples of `downsampling`.
  public func encode(_ images: Tensor) -> LatentDistribution {
    let moments = encoder(images)
    return LatentDistribution(moments: quantConvolution.map { $0(moments) } ?? moments)
  }

  /// Decodes latents into images.
  ///
  /// - Parameter latents: [B, H / f, W / f, `latentChannels`] as returned by `encode`: neither shifted nor scaled.
  /// - Returns: [B, H, W, `reconstructionChannels`].
  public func decode(_ latents: Tensor) -> Tensor { output(features(latents)) }

  /// The input of the decoder's last convolution, [B, H, W, C].
  ///
  /// - Parameter latents: as for `decode`.
  package func features(_ latents: Tensor) -> Tensor {
    decoder(postQuantConvolution.map { $0(latents) } ?? latents)
  }

  /// The images of `features`.
  package func output(_ features: Tensor) -> Tensor { decoder.output(features) }

  /// The norm of the gradient of the last convolution's weights, given a gradient of the images.
  package func lastGradientLength(_ features: Tensor, imageGradient: Storage) -> Double {
    decoder.output.weightGradientLength(features, outputGradient: imageGradient)
  }

  /// Throws unless the autoencoder accepts images of this size.
  public func check(height: Int, width: Int, channels: Int) throws {
    guard channels == imageChannels else {
      throw ModelError(
        "the autoencoder is made for images of \(imageChannels) channels, these have \(channels): "
          + "set model.in_channels to \(channels)")
    }
    for (name, side) in [("height", height), ("width", width)] where side % downsampling != 0 || side == 0 {
      let lower = side / downsampling * downsampling
      throw ModelError(
        "the autoencoder's latents have a side \(downsampling) times smaller, so \(name) must be a multiple of it, "
          + "is \(side); \(lower > 0 ? "\(lower) or " : "")\(lower + downsampling) would do")
    }
  }
}

extension AutoencoderKLSettings {
  /// The style of all residual blocks.
  fileprivate var style: ResnetBlock2D.Style {
    ResnetBlock2D.Style(
      embeddingWidth: nil, groups: groups, epsilon: AutoencoderKL.epsilon, activation: activation,
      paddingMode: paddingMode)
  }

  /// The first or the last convolution of encoder or decoder.
  fileprivate func convolution(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int) -> Convolution2D {
    Convolution2D(builder, inputs, outputs, kernel: 3, padding: 1, paddingMode: paddingMode)
  }
}

/// `Encoder`: images to means and log-variances of latents.
private struct Encoder: Sendable {
  let input: Convolution2D
  let down: [DownBlock2D]
  let middle: MiddleBlock2D
  let norm: GroupNorm
  let output: Convolution2D

  init(_ builder: ParameterBuilder, _ settings: AutoencoderKLSettings) {
    let widths = settings.widths
    let style = settings.style
    let lowest = widths[widths.count - 1]
    input = settings.convolution(builder["conv_in"], settings.channels, widths[0])
    down = widths.indices.map { index in
      DownBlock2D(
        builder["down_blocks"][index], index == 0 ? widths[0] : widths[index - 1], widths[index],
        layers: settings.layers,
        downsampling: index == widths.count - 1 ? nil : .convolution(padding: 0), style)
    }
    middle = MiddleBlock2D(
      builder["mid_block"], lowest,
      attention: settings.middleAttends ? .spatial(headWidth: lowest, groups: settings.groups) : nil, style)
    norm = GroupNorm(
      builder["conv_norm_out"], groups: settings.groups, channels: lowest, epsilon: AutoencoderKL.epsilon)
    output = settings.convolution(builder["conv_out"], lowest, 2 * settings.latentChannels)
  }

  func callAsFunction(_ images: Tensor) -> Tensor {
    let x = down.reduce(input(images)) { x, block in block(x) }
    return output(norm(middle(x), activation: .silu))
  }
}

/// `Decoder`: latents to images, without the last convolution.
private struct Decoder: Sendable {
  let input: Convolution2D
  let middle: MiddleBlock2D
  let up: [UpBlock2D]
  let norm: GroupNorm
  let output: Convolution2D

  init(_ builder: ParameterBuilder, _ settings: AutoencoderKLSettings) {
    let widths = Array(settings.widths.reversed())
    let style = settings.style
    let last = widths[widths.count - 1]
    input = settings.convolution(builder["conv_in"], settings.latentChannels, widths[0])
    middle = MiddleBlock2D(
      builder["mid_block"], widths[0],
      attention: settings.middleAttends ? .spatial(headWidth: widths[0], groups: settings.groups) : nil,
      style)
    up = widths.indices.map { index in
      let others = [Int](repeating: widths[index], count: settings.layers)
      return UpBlock2D(
        builder["up_blocks"][index], [widths[max(index - 1, 0)]] + others, widths[index],
        upsampling: index < widths.count - 1 ? .convolution : nil, style)
    }
    norm = GroupNorm(
      builder["conv_norm_out"], groups: settings.groups, channels: last, epsilon: AutoencoderKL.epsilon)
    output = settings.convolution(builder["conv_out"], last, settings.outputChannels)
  }

  func callAsFunction(_ latents: Tensor) -> Tensor {
    let x = up.reduce(middle(input(latents))) { x, block in block(x) }
    return norm(x, activation: .silu)
  }
}
