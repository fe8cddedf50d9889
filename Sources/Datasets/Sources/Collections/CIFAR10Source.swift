import Foundation

/// CIFAR-10 in its binary version (https://www.cs.toronto.edu/~kriz/cifar.html). Each image is a label byte followed by
/// 32 x 32 bytes each of red, green and blue.
public final class CIFAR10Source: ImageSource {
  public let name = "cifar10"
  public let split: String
  public let classNames: [String]
  public let height = 32
  public let width = 32
  public let channels = 3
  public var count: Int { bounds[files.count] }

  private let files: [ReadableFile]
  /// The first image of each file, and one past the last.
  private let bounds: [Int]

  private static let recordSize = 1 + 3 * 32 * 32

  /// Opens the files of `split` in `directory`, or in `cifar-10-batches-bin` within it.
  ///
  /// - Throws: `DatasetError` naming the file if one is missing or has an unexpected size.
  public init(directory: String, split: Split) throws {
    let below = filePath(directory, "cifar-10-batches-bin")
    let directory = FileManager.default.fileExists(atPath: below) ? below : directory
    let names = split == .train ? (1...5).map { "data_batch_\($0).bin" } : ["test_batch.bin"]
    let missing = names.filter { !FileManager.default.fileExists(atPath: filePath(directory, $0)) }
    guard missing.isEmpty else {
      throw DatasetError.badData(
        directory,
        "lacks \(missing.joined(separator: ", ")) of CIFAR-10's binary version (cifar-10-binary.tar.gz)")
    }
    files = try names.map { try ReadableFile(filePath(directory, $0)) }
    for file in files {
      guard file.size > 0, file.size % Self.recordSize == 0 else {
        throw DatasetError.badData(
          file.path, "has \(file.size) bytes, expected a multiple of \(Self.recordSize), the size of an image"
        )
      }
    }
    bounds = files.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.size / Self.recordSize) }
    let meta = try ReadableFile(filePath(directory, "batches.meta.txt"))
    let text = String(decoding: try meta.bytes(min(meta.size, 4096), at: 0), as: UTF8.self)
    classNames = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }
    guard classNames.count == 10 else {
      throw DatasetError.badData(meta.path, "names \(classNames.count) classes, expected 10, one a line")
    }
    self.split = split.rawValue
  }

  public func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    let file = bounds.lastIndex { $0 <= index } ?? 0
    let place = (index - bounds[file]) * Self.recordSize
    let plane = height * width
    return try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.recordSize) { record in
      try files[file].read(into: UnsafeMutableRawBufferPointer(record), at: place)
      guard record[0] < classNames.count else {
        throw DatasetError.badData(
          files[file].path,
          "the label of image \(index - bounds[file]) is \(record[0]), expected 0 to \(classNames.count - 1)")
      }
      for pixel in 0..<plane {
        for channel in 0..<channels {
          pixels[pixel * channels + channel] = record[1 + channel * plane + pixel]
        }
      }
      return Int32(record[0])
    }
  }
}
