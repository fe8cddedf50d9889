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

  /// Image `index`.
  ///
  /// - Throws: `DatasetError`, `PictureError`, `FileError`.
  func image(_ index: Int) throws -> Picture

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

  public var count: Int { height * width * channels }
  public var description: String { "\(height) x \(width) x \(channels)" }
}

/// The images of a dataset.
struct DatasetImages: EvaluatedImages {
  let path: String
  private let dataset: ShardedDataset

  init(_ path: String) throws {
    self.path = path
    dataset = try ShardedDataset(directory: path)
    guard dataset.channels == 1 || dataset.channels == 3 else {
      throw EvaluationError(path, "has images of \(dataset.channels) channels, expected 1 or 3")
    }
  }

  var count: Int { dataset.count }

  func image(_ index: Int) throws -> Picture {
    let samples = try [UInt8](unsafeUninitializedCapacity: dataset.imageSize) { buffer, count in
      count = dataset.imageSize
      _ = try dataset.read(index, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
    }
    return Picture(width: dataset.width, height: dataset.height, channels: dataset.channels, samples: samples)
  }

  func commonShape(pool: ThreadPool) -> ImageShape {
    ImageShape(height: dataset.height, width: dataset.width, channels: dataset.channels)
  }
}

/// The pictures in a folder and those below it, in the order of their paths' bytes.
struct FolderImages: EvaluatedImages {
  let path: String
  private let files: [String]
  /// nil for what each picture's own header says.
  private var channels: Int?

  init(_ path: String) throws {
    self.path = path
    files = try PictureFolder(path).files.map(\.path)
  }

  var count: Int { files.count }

  func image(_ index: Int) throws -> Picture {
    let file = try PictureFile(files[index])
    return try file.decode(channels: channels ?? (file.header.isGrey ? 1 : 3))
  }

  func commonShape(pool: ThreadPool) throws -> ImageShape {
    let headers = try pool.results(files.count) { index, _ in try PictureFile.header(of: files[index]) }
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

  /// The same pictures, all with as many channels.
  func with(channels: Int) -> FolderImages {
    var result = self
    result.channels = channels
    return result
  }
}
