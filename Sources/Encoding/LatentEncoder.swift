import Models
import Tensors

/// An autoencoder that turns a dataset's images into the posteriors of their latents.
public struct LatentEncoder {
  public let model: AutoencoderKL
  let weights: ParameterBuffer
  /// The file or folder that it was read from, and a digest of its settings and weights.
  public let path: String
  public let digest: String
  let engine: Engine

  public init(
    model: AutoencoderKL, weights: ParameterBuffer, path: String, digest: String, engine: Engine
  ) {
    self.model = model
    self.weights = weights
    self.path = path
    self.digest = digest
    self.engine = engine
  }

  /// [H, W, C] of the latents of images [H, W, C].
  func latentShape(of imageShape: [Int]) -> [Int] {
    [imageShape[0] / model.downsampling, imageShape[1] / model.downsampling, model.latentChannels]
  }

  /// Means and standard deviations of the latents of images [n, H, W, C].
  func encode(_ images: [Float], shape: [Int]) -> (means: [Float], deviations: [Float]) {
    let tape = Tape(engine: engine, weights: weights, gradients: nil)
    let input = tape.input([images.count / shape.reduce(1, *)] + shape)
    _ = input.elements.update(fromContentsOf: images)
    let posterior = model.encode(input)
    return (Array(posterior.mean.elements), Array(posterior.deviation.elements))
  }
}
