import Models
import Tensors

/// Turns a denoiser's latents into images with a frozen autoencoder, and the reverse: one at a time, so that no image
/// depends on those beside it, and memory not on their number.
public struct LatentDecoder {
  private let autoencoder: AutoencoderKL
  private let weights: ParameterBuffer
  private let scaling: LatentScaling
  private let engine: Engine

  /// - Parameter scaling: how latents are scaled; nil: as the autoencoder's settings say.
  public init(
    _ autoencoder: AutoencoderKL, weights: ParameterBuffer, scaling: LatentScaling? = nil, engine: Engine
  ) {
    self.autoencoder = autoencoder
    self.weights = weights
    self.scaling = scaling ?? autoencoder.publishedScaling
    self.engine = engine
  }

  /// [H, W, C] of the image of latents [h, w, c].
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

  /// The image of latents [h, w, c] as the autoencoder has them: at once, or tile by tile where that takes too much
  /// memory.
  private func image(of latents: [Float], shape: [Int]) -> [Float] {
    guard let tiling = DecodingTiles(shape: shape) else { return decode(latents, shape: shape) }
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

  /// The most probable latents of an image, of about unit variance.
  ///
  /// - Parameters:
  ///   - image: [H, W, C], in [-1, 1].
  ///   - shape: [H, W, C].
  /// - Returns: [h, w, c].
  /// - Throws: `ModelError` for images of another size than the autoencoder takes.
  public func latents(of image: [Float], shape: [Int]) throws -> [Float] {
    try autoencoder.check(height: shape[0], width: shape[1], channels: shape[2])
    let tape = Tape(engine: engine, weights: weights, gradients: nil)
    let input = tape.input([1] + shape)
    _ = input.elements.update(fromContentsOf: image)
    return autoencoder.encode(input).mean.elements.map(scaling.scaled)
  }

  /// [h, w, c] of the latents of an image [H, W, C].
  public func latentShape(of imageShape: [Int]) -> [Int] {
    [imageShape[0] / downsampling, imageShape[1] / downsampling, autoencoder.latentChannels]
  }

  /// Pixels of an image's side for each of its latents'.
  public var downsampling: Int { autoencoder.downsampling }
  /// Channels of the images that have latents.
  public var imageChannels: Int { autoencoder.imageChannels }
}
