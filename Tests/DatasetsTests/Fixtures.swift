import CZlib
import Datasets
import Foundation

/// Runs `body` with the path of a new directory, removed afterwards.
func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
  let path = FileManager.default.temporaryDirectory
    .appendingPathComponent("oboro-datasets-\(UUID().uuidString)").path
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try body(path)
}

/// The names in a directory, sorted; nil if there is no such directory.
func names(in directory: String) -> [String]? {
  try? FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}

func content(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
  try withTemporaryDirectory { directory in
    let path = "\(directory)/a.gz"
    let file = gzopen(path, "wb9")
    let written = gzwrite(file, bytes, UInt32(bytes.count))
    guard gzclose(file) == Z_OK, written == bytes.count else { throw CocoaError(.fileWriteUnknown) }
    return Array(try content(path))
  }
}

/// The bytes of an IDX file of unsigned bytes, with a header that may lie.
func idx(_ dimensions: [UInt32], _ elements: [UInt8], magic: UInt32? = nil) -> [UInt8] {
  let words = [magic ?? 0x800 + UInt32(dimensions.count)] + dimensions
  return words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } } + elements
}

/// Images made from their index, which can be made to fail.
struct PatternSource: ImageSource {
  var name = "pattern"
  var split = "train"
  var count = 23
  var height = 4
  var width = 3
  var channels = 2
  var classNames = ["a", "b", "c"]
  /// The image that cannot be read.
  var failsAt: Int?
  /// The label of each image.
  var label: @Sendable (Int) -> Int32 = { Int32($0 % 4) - 1 }

  static func pixel(_ image: Int, _ place: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: image &* 31 &+ place &* 7)
  }

  func pixels(_ image: Int) -> [UInt8] { (0..<imageSize).map { Self.pixel(image, $0) } }

  func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    if index == failsAt { throw Failure() }
    for place in pixels.indices { pixels[place] = Self.pixel(index, place) }
    return label(index)
  }

  struct Failure: Error {}
}

extension ImageSource {
  func image(_ index: Int) throws -> (pixels: [UInt8], label: Int32) {
    var pixels = [UInt8](repeating: 0, count: imageSize)
    let label = try pixels.withUnsafeMutableBufferPointer { try read(index, into: $0) }
    return (pixels, label)
  }
}

extension SampleSource {
  /// The bytes and texts of each field of a sample.
  func sample(_ index: Int) throws -> (bytes: [[UInt8]], texts: [[String]]) {
    let block = SampleBlock(fields, capacity: 1)
    try read(index, into: block.slot(0))
    return (fields.indices.map { Array(block.bytes($0, count: 1)) }, block.texts.map { $0.first ?? [] })
  }
}

extension Sequence<UInt8> {
  /// The numbers that these bytes are.
  func elements<Element: BitwiseCopyable>(_: Element.Type) -> [Element] {
    Array(self).withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: MemoryLayout<Element>.size).map {
        bytes.loadUnaligned(fromByteOffset: $0, as: Element.self)
      }
    }
  }
}

extension ShardedDataset {
  func image(_ index: Int) throws -> (pixels: [UInt8], label: Int32) {
    var pixels = [UInt8](repeating: 0, count: imageSize)
    let label = try pixels.withUnsafeMutableBufferPointer { try read(index, into: $0) }
    return (pixels, label)
  }
}
