import HDF5
import Synchronization

/// One file of a dataset. HDF5 says where images and labels lie; they are then read from there directly, which many
/// threads can do at once and HDF5 cannot.
final class Shard: Sendable {
  private let path: String
  private let imageCount: Int
  private let imageSize: Int
  private let classCount: Int
  private let imagesOffset: Int
  private let labelsOffset: Int
  private let identity: ReadableFile.Identity
  /// Opened when an image is first read.
  private let file = Mutex<ReadableFile?>(nil)

  /// - Throws: `DatasetError` if the file does not hold `imageCount` images of `imageShape` and as many labels.
  init(path: String, imageCount: Int, imageShape: [Int], classCount: Int) throws {
    identity = try ReadableFile(path).identity
    self.path = path
    self.imageCount = imageCount
    self.classCount = classCount
    imageSize = imageShape.reduce(1, *)
    do {
      let root = try File(opening: path).root
      imagesOffset = try Self.locate(
        "images", of: UInt8.self, shape: [imageCount] + imageShape, in: root, path: path,
        fileSize: identity.size)
      labelsOffset = try Self.locate(
        "labels", of: Int32.self, shape: [imageCount], in: root, path: path, fileSize: identity.size)
    } catch let error as HDF5Error {
      throw DatasetError.badData(path, "is not a whole shard of this dataset: \(error)")
    }
  }

  /// Reads image `index` of the shard into `pixels` and returns its label.
  func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    // Read, not mapped: a file that is cut off meanwhile, or a disk that fails, is then an error and not a signal.
    let file = try openFile()
    try file.read(into: UnsafeMutableRawBufferPointer(pixels), at: imagesOffset + index * imageSize)
    // Not kept either: the labels of a billion images would take 4 GB.
    var label: Int32 = -1
    try withUnsafeMutableBytes(of: &label) {
      try file.read(into: $0, at: labelsOffset + index * MemoryLayout<Int32>.size)
    }
    guard label >= -1, label < classCount else {
      throw DatasetError.badData(
        path, "the label of image \(index) is \(label), expected less than the \(classCount) classes")
    }
    return label
  }

  private func openFile() throws -> ReadableFile {
    try file.withLock { file in
      if let file { return file }
      let opened = try ReadableFile(path)
      guard opened.identity == identity else {
        throw DatasetError.badData(path, "was replaced or altered since the dataset was opened")
      }
      file = opened
      return opened
    }
  }

  /// Where in the file the elements of a dataset lie.
  private static func locate<Element: HDF5Element>(
    _ name: String, of element: Element.Type, shape: [Int], in root: Group, path: String, fileSize: Int
  ) throws -> Int {
    let dataset = try root.dataset(name)
    try dataset.requireType(Element.self)
    try dataset.requireShape(shape)
    let size = dataset.count * MemoryLayout<Element>.size
    guard let offset = try dataset.offset(), offset <= fileSize - size else {
      throw DatasetError.badData(
        path, "/\(name) is not in one uncompressed little-endian piece, as a shard's must be")
    }
    return offset
  }
}
