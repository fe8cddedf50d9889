import Datasets
import Files
import Foundation
import Kernels
import Pictures

/// A set of images to evaluate. Any number of threads may read at once.
public protocol EvaluatedImages {
  /// What messages call the set.
  var path: String { get }
  var count: Int { get }
  /// What the images' values are where they lie.
  var type: FieldType { get }

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

/// Height, width and channels of images.
public struct ImageShape: Equatable, Sendable, CustomStringConvertible {
  public let height: Int
  public let width: Int
  public let channels: Int

  public init(height: Int, width: Int, channels: Int) {
    (self.height, self.width, self.channels) = (height, width, channels)
  }

  public var count: Int { height * width * channels }
  public var description: String { "\(height) x \(width) x \(channels)" }
}

/// The images of a dataset.
struct DatasetImages: EvaluatedImages {
  let path: String
  private let dataset: ShardedDataset
  private let field: Field
  /// The field's place among those of the dataset.
  private let place: Int

  init(_ path: String) throws {
    self.path = path
    dataset = try ShardedDataset(directory: path)
    field = try dataset.requireImages()
    place = try dataset.index(of: field.name)
    guard field.type != .int32 else {
      throw EvaluationError(path, "has images of int32, expected bytes, words or floating-point numbers")
    }
  }

  var count: Int { dataset.count }
  var type: FieldType { field.type }

  func picture(_ index: Int) throws -> Picture {
    guard field.type == .uint8, dataset.channels == 1 || dataset.channels == 3 else {
      throw EvaluationError(
        path,
        "has images of \(field.type.rawValue) with \(dataset.channels) channels; Inception-v3 sees pictures, uint8 of 1 "
          + "or 3 channels: leave --features away to compare the values")
    }
    let samples = try [UInt8](unsafeUninitializedCapacity: dataset.imageSize) { buffer, count in
      count = dataset.imageSize
      try dataset.read(
        index, field: place,
        into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
    }
    return Picture(width: dataset.width, height: dataset.height, channels: dataset.channels, samples: samples)
  }

  func read(_ index: Int, shape: ImageShape, into values: UnsafeMutableBufferPointer<Float>) throws {
    let greatest: Float? =
      switch field.type {
      case .uint8: 255
      case .uint16: 65_535
      default: nil
      }
    try dataset.read(index, field: place, form: greatest == nil ? .scaled : .stored, into: values)
    if let greatest { for place in values.indices { values[place] /= greatest } }
  }

  func commonShape(pool: ThreadPool) -> ImageShape {
    ImageShape(height: dataset.height, width: dataset.width, channels: dataset.channels)
  }
}

/// The pictures in a folder and those below it, in the order of their paths' bytes.
struct FolderImages: EvaluatedImages {
  let path: String
  private let files: [String]

  init(_ path: String) throws {
    self.path = path
    files = try ImageFolder(path).files.map(\.path)
  }

  var count: Int { files.count }
  var type: FieldType { .uint8 }

  func picture(_ index: Int) throws -> Picture {
    let file = try ImageFile(files[index])
    return try file.decode(channels: file.header.isGrey ? 1 : 3)
  }

  func read(_ index: Int, shape: ImageShape, into values: UnsafeMutableBufferPointer<Float>) throws {
    let picture = try ImageFile(files[index]).decode(channels: shape.channels)
    let found = ImageShape(height: picture.height, width: picture.width, channels: picture.channels)
    guard found == shape else {
      throw EvaluationError(path, "image \(index) has \(found), expected \(shape): it was changed")
    }
    for (place, sample) in picture.samples.enumerated() { values[place] = Float(sample) / 255 }
  }

  func commonShape(pool: ThreadPool) throws -> ImageShape {
    let headers = try pool.results(files.count) { index, _ in try ImageFile.header(of: files[index]) }
    if let other = headers.firstIndex(where: {
      $0.width != headers[0].width || $0.height != headers[0].height
    }) {
      throw EvaluationError(
        path,
        "its pictures differ in size: \(files[0]) has \(headers[0].height) x \(headers[0].width) pixels, \(files[other]) "
          + "\(headers[other].height) x \(headers[other].width); pixels are features only of pictures of one size, "
          + "Inception-v3 (--features) takes any")
    }
    return ImageShape(
      height: headers[0].height, width: headers[0].width, channels: headers.allSatisfy(\.isGrey) ? 1 : 3)
  }
}
