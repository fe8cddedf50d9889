import Files
import Foundation

/// Images on their way into shards, kept in a nameless file: how many there are shows only when all have been read, and
/// a shard's size must be known when it is begun. A crash leaves nothing of it.
final class ImageSpool {
  static let fileName = "images"

  private let source: any ImageSource
  private let output: FileDescriptor
  private let input: ReadableFile
  private var labels: [Int32] = []

  /// - Parameter path: a name in a folder with room for all images; it is gone at once.
  init(for source: any ImageSource, at path: String) throws {
    self.source = source
    output = try FileDescriptor(path, O_WRONLY | O_CREAT | O_TRUNC)
    input = try ReadableFile(path)
    unlink(path)
  }

  /// Adds images `pixels` `[n, H, W, C]`.
  func append(_ pixels: UnsafeRawBufferPointer, labels: [Int32]) throws {
    try output.write(pixels)
    self.labels += labels
  }
}

extension ImageSpool: ImageSource {
  var name: String { source.name }
  var split: String { source.split }
  var count: Int { labels.count }
  var height: Int { source.height }
  var width: Int { source.width }
  var channels: Int { source.channels }
  var classNames: [String] { source.classNames }

  func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    try input.read(into: UnsafeMutableRawBufferPointer(pixels), at: index * imageSize)
    return labels[index]
  }
}
