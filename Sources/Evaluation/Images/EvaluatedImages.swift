import Datasets
import Kernels
import Pictures

/// A set of images to evaluate. Safe to read from several threads at once.
public protocol EvaluatedImages {
  /// The name of the set in messages.
  var path: String { get }
  var count: Int { get }
  /// The type of the images' stored values.
  var type: FieldType { get }
  /// The normalisation that was applied to floating-point values; nil if there was none.
  var normalization: Normalization? { get }

  /// The text of each image; nil if unknown.
  ///
  /// - Throws: errors of reading.
  var texts: [String]? { get throws }

  /// Image `index`, with byte values.
  ///
  /// - Throws: `DatasetError`, `PictureError`, `FileError`; `EvaluationError` if it is not a picture.
  func picture(_ index: Int) throws -> Picture

  /// Writes the values of image `index`, [H, W, C], to `values`: bytes and words scaled to [0, 1], floating-point
  /// numbers as a network receives them.
  ///
  /// - Parameter shape: the result of `commonShape`.
  /// - Throws: as `picture`; `EvaluationError` if the image has another shape.
  func read(_ index: Int, shape: ImageShape, into values: UnsafeMutableBufferPointer<Float>) throws

  /// The shape that all images share.
  ///
  /// - Throws: `EvaluationError` naming two images that differ.
  func commonShape(pool: ThreadPool) throws -> ImageShape
}

extension EvaluatedImages {
  public var normalization: Normalization? { nil }
  public var texts: [String]? { nil }
}
