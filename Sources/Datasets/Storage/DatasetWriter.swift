import Files
import Foundation
import HDF5

/// Makes a dataset's directory from a source of images.
///
/// Memory stays flat whatever the size of the dataset. Until all is written and flushed, an earlier copy of the
/// dataset in the directory stays as it was. The same source gives the same bytes, on any number of threads.
public struct DatasetWriter {
  /// The list of images that could not be read, beside the shards of the rest.
  public static let unreadableName = "unreadable.txt"
  /// About how large a shard becomes when their number is left open.
  private static let shardBytes = 256 << 20

  private let directory: String
  private let shardCount: Int?
  private let threadCount: Int

  /// - Parameters:
  ///   - shardCount: how many shards to spread the images over; nil for as many as keep them of handy size.
  ///   - threadCount: how many threads may read images at once.
  public init(directory: String, shardCount: Int? = nil, threadCount: Int = 1) {
    precondition(shardCount ?? 1 > 0, "shardCount must be positive, is \(shardCount ?? 0)")
    precondition(threadCount > 0, "threadCount must be positive, is \(threadCount)")
    self.directory = directory
    self.shardCount = shardCount
    self.threadCount = threadCount
  }

  /// Writes the images of `source`, in order, evenly over the shards.
  ///
  /// - Parameter progress: called every so often with the number of images written.
  /// - Throws: `DatasetError` if the directory holds something else, the source cannot be read or has fewer images than
  ///   there are to be shards, or the disk is full. The temporary files are removed then, and the directory if it is new.
  @discardableResult
  public func write(_ source: any ImageSource, progress: (Int) -> Void = { _ in }) throws -> DatasetManifest {
    try requireEnough(source)
    return try staged(source) { staged in
      try writeShards(of: source, to: staged, hasUnreadable: false, progress: progress)
    }
  }

  /// Writes those images of `source` that can be read, as `write` does. The others are listed in `unreadableName`
  /// beside the shards. For the time that it takes, the disk needs room for all images twice.
  ///
  /// - Parameters:
  ///   - progress: called every so often with the number of images read.
  ///   - skip: called in order with why an image cannot be read; what it throws ends it all.
  /// - Throws: as `write`, and if no image can be read. The system's failures are not passed over.
  @discardableResult
  public func writeReadable(
    _ source: any ImageSource, progress: (Int) -> Void = { _ in }, skip: (DatasetError) throws -> Void
  ) throws -> DatasetManifest {
    try requireEnough(source)
    return try staged(source) { staged in
      let spool = try ImageSpool(for: source, at: staged.partialPath(of: ImageSpool.fileName))
      let hasUnreadable = try fill(spool, from: source, staged: staged, progress: progress, skip: skip)
      try requireEnough(spool)
      return try writeShards(of: spool, to: staged, hasUnreadable: hasUnreadable, progress: { _ in })
    }
  }

  private func requireEnough(_ source: any ImageSource) throws {
    if let shardCount, shardCount > source.count {
      throw DatasetError.badData(
        directory, "\(shardCount) shards need as many images, but \(source.name) has \(source.count)")
    }
  }

  /// Runs `body` with the directory taken; gives it up if that fails.
  private func staged(
    _ source: any ImageSource, _ body: (StagedDirectory) throws -> DatasetManifest
  ) throws -> DatasetManifest {
    let staged = try StagedDirectory(directory, name: source.name, split: source.split)
    do {
      return try DatasetError.mapping { try body(staged) }
    } catch {
      staged.abandon()
      throw error
    }
  }

  /// Reads all images into `spool`; returns whether some were left out.
  private func fill(
    _ spool: ImageSpool, from source: any ImageSource, staged: StagedDirectory, progress: (Int) -> Void,
    skip: (DatasetError) throws -> Void
  ) throws -> Bool {
    var list: LineFile?
    var first: DatasetError?
    try BlockReader(source, threadCount: threadCount).read(0..<source.count) { block, pixels, results in
      var labels: [Int32] = []
      for (image, result) in results.enumerated() {
        do {
          labels.append(try result.get())
          // Closes the gaps of images left out.
          let (place, target) = (image * source.imageSize, (labels.count - 1) * source.imageSize)
          if place != target {
            memmove(pixels.baseAddress! + target, pixels.baseAddress! + place, source.imageSize)
          }
        } catch let error as DatasetError where error.kind == .badData {
          try skip(error)
          let file = try list ?? LineFile(appendingTo: staged.partialPath(of: Self.unreadableName))
          try file.append("\(error)".split(whereSeparator: \.isNewline).joined(separator: " "))
          list = file
          first = first ?? error
        }
      }
      try spool.append(
        UnsafeRawBufferPointer(
          rebasing: UnsafeRawBufferPointer(pixels)[..<(labels.count * source.imageSize)]),
        labels: labels)
      progress(block.upperBound)
    }
    if spool.count == 0, let first {
      throw DatasetError.badData(
        first.path, "\(first.problem); and none of the other \(source.count - 1) images can be read either")
    }
    return list != nil
  }

  private func writeShards(
    of source: any ImageSource, to staged: StagedDirectory, hasUnreadable: Bool, progress: (Int) -> Void
  ) throws -> DatasetManifest {
    let shardCount =
      self.shardCount ?? min(source.count, max(1, source.count / max(1, Self.shardBytes / source.imageSize)))
    var manifest = DatasetManifest(
      formatVersion: DatasetManifest.currentFormatVersion, name: source.name, split: source.split,
      imageCount: source.count, height: source.height, width: source.width, channels: source.channels,
      classNames: source.classNames, shards: [])
    for shard in 0..<shardCount {
      let name = Self.shardName(source.split, shard, of: shardCount)
      let images = source.count * shard / shardCount..<source.count * (shard + 1) / shardCount
      let path = staged.partialPath(of: name)
      try Self.inputOutput(path) { try writeShard(path, images, of: source, progress: progress) }
      manifest.shards.append(
        DatasetManifest.Shard(
          fileName: name, imageCount: images.count, sha256: try SHA256.digest(ofFile: path)))
    }
    try staged.commit(
      shards: manifest.shards.map(\.fileName), hasUnreadable: hasUnreadable, manifest: manifest.encoded())
    return manifest
  }

  /// `SPLIT-00000-of-00008.h5`
  private static func shardName(_ split: String, _ shard: Int, of count: Int) -> String {
    let digits = { (number: Int) in
      let text = "\(number)"
      return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
    return "\(split)-\(digits(shard))-of-\(digits(count)).h5"
  }

  private func writeShard(
    _ path: String, _ range: Range<Int>, of source: any ImageSource, progress: (Int) -> Void
  ) throws {
    let shape = [source.height, source.width, source.channels]
    let file = try File(creating: path)
    let images = try file.root.createDataset("images", of: UInt8.self, shape: [range.count] + shape)
    let labels = try file.root.createDataset("labels", of: Int32.self, shape: [range.count])
    try BlockReader(source, threadCount: threadCount).read(range) { block, pixels, results in
      let blockLabels = try results.map { try $0.get() }
      let place = block.lowerBound - range.lowerBound
      try images.write(
        from: UnsafeBufferPointer(pixels), offset: [place, 0, 0, 0], count: [block.count] + shape)
      try blockLabels.withUnsafeBufferPointer {
        try labels.write(from: $0, offset: [place], count: [block.count])
      }
      progress(block.upperBound)
    }
    try file.close()
  }

  /// Runs `body`, which writes `path`: what HDF5 reports there is the disk's failure.
  private static func inputOutput(_ path: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as HDF5Error where error.file == path {
      throw DatasetError(kind: .inputOutput, path: path, problem: "cannot write it: \(error)")
    }
  }
}
