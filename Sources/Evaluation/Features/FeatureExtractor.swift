import Kernels
import Tensors

/// Computes features from images.
public enum FeatureExtractor {
  /// The values of an image, [H, W, C]: bytes divided by 255. All images must have the same shape.
  case pixels
  /// The last pooling layer of Inception-v3, for images of any size.
  case inception(InceptionV3)
  /// CLIP's embedding, for pictures of any size.
  case clip(CLIPEmbedding)

  /// The name of the features in tables.
  public var name: String {
    switch self {
    case .pixels: "pixels"
    case .inception(let network): "Inception-v3, \(network.path)"
    case .clip(let embedding): "CLIP, \(embedding.path)"
    }
  }

  /// A plan for computing the features of one set of images.
  struct Plan {
    private enum Source {
      case values(ImageShape)
      case network(InceptionV3)
      case clip(CLIPEmbedding)
    }

    let images: any EvaluatedImages
    let width: Int
    private let source: Source

    /// - Throws: `EvaluationError` if these features cannot be computed for the images.
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

/// The working memory of one thread for computing features.
final class FeaturePass {
  let inference = InferencePass()
  /// Single-threaded, since images are computed in parallel.
  private(set) lazy var engine = Engine(threadCount: 1)
}
