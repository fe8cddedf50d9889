import Files
import Foundation
import HDF5

/// Makes a dataset's directory from a source of images.
///
/// Memory stays flat whatever the size of the dataset. Until all is written and flushed, an earlier copy of the
/// dataset in the directory stays as it was.
public struct DatasetWriter {
  /// About how large a shard becomes when their number is left open.
  private static let shardBytes = 256 << 20

  private let directory: String
  private let shardCount: Int?

  /// - Parameter shardCount: how many shards to spread the images over; nil for as many as keep them of handy size.
  public init(directory: String, shardCount: Int? = nil) {
    precondition(shardCount ?? 1 > 0, "shardCount must be positive, is \(shardCount ?? 0)")
    self.directory = directory
    self.shardCount = shardCount
  }

  /// Writes the images of `source`, in order, evenly over the shards.
  ///
  /// - Parameter progress: called every so often with the number of images written.
  /// - Throws: `DatasetError` if the directory holds something else, the source cannot be read or has fewer images than
  ///   there are to be shards, or the disk is full. The temporary files are removed then, and the directory if it is new.
  @discardableResult
  public func write(_ source: any ImageSource, progress: (Int) -> Void = { _ in }) throws -> DatasetManifest {
    let shardCount = self.shardCount ?? max(1, source.count / max(1, Self.shardBytes / source.imageSize))
    guard shardCount <= source.count else {
      throw DatasetError.badData(
        directory, "\(shardCount) shards need as many images, but \(source.name) has \(source.count)")
    }
    let staged = try StagedDirectory(directory, name: source.name, split: source.split)
    do {
      var manifest = DatasetManifest(
        formatVersion: DatasetManifest.currentFormatVersion, name: source.name, split: source.split,
        imageCount: source.count, height: source.height, width: source.width, channels: source.channels,
        classNames: source.classNames, shards: [])
      for shard in 0..<shardCount {
        let name = Self.shardName(source.split, shard, of: shardCount)
        let images = source.count * shard / shardCount..<source.count * (shard + 1) / shardCount
        let path = staged.partialPath(of: name)
        try Self.inputOutput(path) { try Self.writeShard(path, images, of: source, progress: progress) }
        manifest.shards.append(
          DatasetManifest.Shard(
            fileName: name, imageCount: images.count, sha256: try SHA256.digest(ofFile: path)))
      }
      try staged.commit(shards: manifest.shards.map(\.fileName), manifest: manifest.encoded())
      return manifest
    } catch {
      staged.abandon()
      throw error
    }
  }

  /// `SPLIT-00000-of-00008.h5`
  private static func shardName(_ split: String, _ shard: Int, of count: Int) -> String {
    let digits = { (number: Int) in
      let text = "\(number)"
      return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
    return "\(split)-\(digits(shard))-of-\(digits(count)).h5"
  }

  private static func writeShard(
    _ path: String, _ range: Range<Int>, of source: any ImageSource, progress: (Int) -> Void
  ) throws {
    let shape = [source.height, source.width, source.channels]
    let file = try File(creating: path)
    let images = try file.root.createDataset("images", of: UInt8.self, shape: [range.count] + shape)
    let labels = try file.root.createDataset("labels", of: Int32.self, shape: [range.count])

    // Written in blocks of about a megabyte.
    let blockCount = max(1, (1 << 20) / source.imageSize)
    var pixels = [UInt8](repeating: 0, count: min(blockCount, range.count) * source.imageSize)
    for start in stride(from: range.lowerBound, to: range.upperBound, by: blockCount) {
      let block = start..<min(start + blockCount, range.upperBound)
      var blockLabels: [Int32] = []
      try pixels.withUnsafeMutableBufferPointer { pixels in
        for (place, image) in block.enumerated() {
          let slot = pixels[place * source.imageSize..<(place + 1) * source.imageSize]
          let label = try source.read(image, into: UnsafeMutableBufferPointer(rebasing: slot))
          guard label >= -1, label < max(0, source.classNames.count) else {
            throw DatasetError.badData(
              source.name,
              "the label of image \(image) is \(label), expected less than its \(source.classNames.count) classes"
            )
          }
          blockLabels.append(label)
        }
        let written = UnsafeBufferPointer(rebasing: pixels[..<(block.count * source.imageSize)])
        let place = start - range.lowerBound
        try images.write(from: written, offset: [place, 0, 0, 0], count: [block.count] + shape)
        try blockLabels.withUnsafeBufferPointer {
          try labels.write(from: $0, offset: [place], count: [block.count])
        }
      }
      progress(block.upperBound)
    }
    try file.close()
  }

  /// Runs `body`, which writes `path`: what HDF5 reports there is the disk's failure.
  private static func inputOutput(_ path: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as HDF5Error {
      throw DatasetError(kind: .inputOutput, path: path, problem: "cannot write it: \(error)")
    }
  }
}
