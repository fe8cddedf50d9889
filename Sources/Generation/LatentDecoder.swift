import Models
import Tensors

/// Converts a denoiser's latents to images with a frozen autoencoder, and the reverse, one at a time: no image depends
/// on the others, and memory does not depend on their number.
public struct LatentDecoder {
  private let autoencoder: AutoencoderKL
  private let weights: ParameterBuffer
  private let scaling: LatentScaling
  private let engine: Engine

  /// - Parameter scaling: the scaling of latents; nil selects that of the autoencoder's settings.
  public init(
    _ autoencoder: AutoencoderKL, weights: ParameterBuffer, scaling: LatentScaling? = nil, engine: Engine
  ) {
    self.autoencoder = autoencoder
    self.weights = weights
    self.scaling = scaling ?? autoencoder.publishedScaling
    self.engine = engine
  }

  /// The shape [H, W, C] of the image for latents [h, w, c].
  public func imageShape(of latentShape: [Int]) -> [Int] {
    [
      latentShape[0] * autoencoder.downsampling, latentShape[1] * autoencoder.downsampling,
      autoencoder.reconstructionChannels,
    ]
  }

  /// - Parameters:
  ///   - latents: of about unit variance, [n, h, w, c].
  ///   - shape: [h, w, c].
  /// - Returns: [n, H, W, C], about in [-1, 1].
  public func images(of latents: some Collection<Float>, shape: [Int]) -> [Float] {
    let size = shape.reduce(1, *)
    var images: [Float] = []
    images.reserveCapacity(latents.count / size * imageShape(of: shape).reduce(1, *))
    var rest = latents[...]
    while !rest.isEmpty {
      images += image(of: rest.prefix(size).map(scaling.restored), shape: shape)
      rest = rest.dropFirst(size)
    }
    return images
  }

  /// The image for latents [h, w, c] in the autoencoder's scaling: decoded at once, or tile by tile to limit memory.
  private func image(of latents: [Float], shape: [Int]) -> [Float] {
    guard !autoencoder.isPeriodic, let tiling = DecodingTiles(shape: shape) else {
      return decode(latents, shape: shape)
    }
    return tiling.image(
      of: latents, scale: autoencoder.downsampling, channels: autoencoder.reconstructionChannels
    ) {
      decode($0, shape: $1)
    }
  }

  private func decode(_ latents: [Float], shape: [Int]) -> [Float] {
    let tape = Tape(engine: engine, weights: weights, gradients: nil)
    let input = tape.input([1] + shape)
    _ = input.elements.update(fromContentsOf: latents)
    return Array(autoencoder.decode(input).elements)
  }

  /// The mean latents of an image, of about unit variance.
  ///
  /// - Parameters:
  ///   - image: [H, W, C], in [-1, 1].
  ///   - shape: [H, W, C].
  /// - Returns: [h, w, c].
  /// - Throws: `ModelError` for images of a size that the autoencoder does not accept.
  public func latents(of image: [Float], shape: [Int]) throws -> [Float] {
    try autoencoder.check(height: shape[0], width: shape[1], channels: shape[2])
    let tape = Tape(engine: engine, weights: weights, gradients: nil)
    let input = tape.input([1] + shape)
    _ = input.elements.update(fromContentsOf: image)
    return autoencoder.encode(input).mean.elements.map(scaling.scaled)
  }

  /// The shape [h, w, c] of the latents of an image [H, W, C].
  public func latentShape(of imageShape: [Int]) -> [Int] {
    [imageShape[0] / downsampling, imageShape[1] / downsampling, autoencoder.latentChannels]
  }

  /// Image pixels per latent pixel, along each side.
  public var downsampling: Int { autoencoder.downsampling }
  /// The channels of the images that the autoencoder encodes.
  public var imageChannels: Int { autoencoder.imageChannels }
}
