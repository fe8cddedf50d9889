import Datasets
import Kernels
import Pictures

/// A set of images to evaluate. Any number of threads may read at once.
public protocol EvaluatedImages {
  /// What messages call the set.
  var path: String { get }
  var count: Int { get }
  /// What the images' values are where they lie.
  var type: FieldType { get }
  /// How floating-point values follow from those of their source; nil if they are the same.
  var normalization: Normalization? { get }

  /// What each image shows, where that is known.
  ///
  /// - Throws: what reading throws.
  var texts: [String]? { get throws }

  /// Image `index`, of bytes.
  ///
  /// - Throws: `DatasetError`, `PictureError`, `FileError`; `EvaluationError` if it is no picture.
  func picture(_ index: Int) throws -> Picture

  /// Writes the values of image `index`, [H, W, C], to `values`: bytes and words as parts of the greatest, in [0, 1];
  /// floating-point numbers as a network sees them.
  ///
  /// - Parameter shape: what `commonShape` says.
  /// - Throws: as `picture`; `EvaluationError` if the image has another shape.
  func read(_ index: Int, shape: ImageShape, into values: UnsafeMutableBufferPointer<Float>) throws

  /// The one form that all images have.
  ///
  /// - Throws: `EvaluationError` naming two images that differ.
  func commonShape(pool: ThreadPool) throws -> ImageShape
}

extension EvaluatedImages {
  public var normalization: Normalization? { nil }
  public var texts: [String]? { nil }
}
