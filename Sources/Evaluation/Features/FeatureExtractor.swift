import Kernels
import Pictures

/// What turns images into features.
public enum FeatureExtractor {
  /// The bytes of an image, [H, W, C], divided by 255. All images need one shape.
  case pixels
  /// The last pooling of Inception-v3, for images of any size.
  case inception(InceptionV3)

  /// What tables call the features.
  public var name: String {
    switch self {
    case .pixels: "pixels"
    case .inception(let network): "Inception-v3, \(network.path)"
    }
  }

  /// How the features of one set of images are computed.
  struct Plan {
    let images: any EvaluatedImages
    let width: Int
    fileprivate let shape: ImageShape?
    fileprivate let network: InceptionV3?

    /// Writes the features of image `index` to `result` [width].
    ///
    /// - Throws: `DatasetError`, `PictureError`, `FileError`; `EvaluationError` for an image that changed its size.
    func compute(_ index: Int, _ pass: InferencePass, into result: UnsafeMutablePointer<Float>) throws {
      let image = try images.image(index)
      if let network { return network.features(of: image, pass, into: result) }
      let found = ImageShape(height: image.height, width: image.width, channels: image.channels)
      guard found == shape else {
        throw EvaluationError(
          images.path,
          "image \(index) has \(found), expected \(shape.map { "\($0)" } ?? "nothing"): it was changed")
      }
      for (place, sample) in image.samples.enumerated() { result[place] = Float(sample) / 255 }
    }
  }

  /// - Throws: `EvaluationError` if the images cannot have such features.
  func plan(_ images: any EvaluatedImages, pool: ThreadPool) throws -> Plan {
    switch self {
    case .inception(let network):
      return Plan(images: images, width: network.width, shape: nil, network: network)
    case .pixels:
      let shape = try images.commonShape(pool: pool)
      let images = (images as? FolderImages)?.with(channels: shape.channels) ?? images
      return Plan(images: images, width: shape.count, shape: shape, network: nil)
    }
  }
}
