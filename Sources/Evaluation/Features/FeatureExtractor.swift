import Kernels
import Tensors

/// What turns images into features.
public enum FeatureExtractor {
  /// The values of an image, [H, W, C]: bytes divided by 255. All images need one shape.
  case pixels
  /// The last pooling of Inception-v3, for images of any size.
  case inception(InceptionV3)
  /// CLIP's embedding, for pictures of any size.
  case clip(CLIPEmbedding)

  /// What tables call the features.
  public var name: String {
    switch self {
    case .pixels: "pixels"
    case .inception(let network): "Inception-v3, \(network.path)"
    case .clip(let embedding): "CLIP, \(embedding.path)"
    }
  }

  /// How the features of one set of images are computed.
  struct Plan {
    private enum Source {
      case values(ImageShape)
      case network(InceptionV3)
      case clip(CLIPEmbedding)
    }

    let images: any EvaluatedImages
    let width: Int
    private let source: Source

    /// - Throws: `EvaluationError` if the images cannot have such features.
    init(_ extractor: FeatureExtractor, _ images: any EvaluatedImages, pool: ThreadPool) throws {
      self.images = images
      switch extractor {
      case .inception(let network): (source, width) = (.network(network), network.width)
      case .clip(let embedding): (source, width) = (.clip(embedding), embedding.width)
      case .pixels:
        let shape = try images.commonShape(pool: pool)
        (source, width) = (.values(shape), shape.count)
      }
    }

    /// Writes the features of image `index` to `result` [width].
    ///
    /// - Throws: as `EvaluatedImages.read` and `picture`.
    func compute(_ index: Int, _ pass: FeaturePass, into result: UnsafeMutablePointer<Float>) throws {
      switch source {
      case .network(let network):
        network.features(of: try images.picture(index), pass.inference, into: result)
      case .clip(let embedding):
        try embedding.embed(try images.picture(index), of: images.path, pass.engine, into: result)
      case .values(let shape):
        try images.read(index, shape: shape, into: UnsafeMutableBufferPointer(start: result, count: width))
      }
    }
  }
}

/// What one thread computes features with.
final class FeaturePass {
  let inference = InferencePass()
  /// Of one thread, since images are computed beside each other.
  private(set) lazy var engine = Engine(threadCount: 1)
}
