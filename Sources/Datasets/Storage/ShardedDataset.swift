import Files
import Foundation

/// A dataset open to read. Any number of threads may read at once, without waiting for one another.
public final class ShardedDataset: Sendable {
  public let directory: String
  public let manifest: DatasetManifest
  /// A digest of the whole content, as the manifest gives it.
  public let digest: String

  private let shards: [Shard]
  /// The first image of each shard, and one past the last.
  private let bounds: [Int]

  /// Opens the dataset in `directory`. Every shard is looked at, but not read: `verify()` does that.
  ///
  /// - Throws: `DatasetError` naming the file if the manifest or a shard is missing, is not what it should be, or does
  ///   not agree with the other.
  public init(directory: String) throws {
    let manifest = try DatasetManifest(directory: directory)
    try Self.requireNoForeignShards(directory, manifest)
    self.directory = directory
    self.manifest = manifest
    digest = manifest.digest
    shards = try manifest.shards.map { entry in
      try Shard(
        path: filePath(directory, entry.fileName), imageCount: entry.imageCount,
        imageShape: [manifest.height, manifest.width, manifest.channels],
        classCount: manifest.classNames.count)
    }
    bounds = manifest.shards.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.imageCount) }
  }

  /// The number of images.
  public var count: Int { manifest.imageCount }
  public var height: Int { manifest.height }
  public var width: Int { manifest.width }
  public var channels: Int { manifest.channels }
  public var classNames: [String] { manifest.classNames }
  /// `[H, W, C]`.
  public var imageShape: [Int] { [height, width, channels] }
  /// The bytes of one image.
  public var imageSize: Int { manifest.imageSize }

  /// Reads image `index` into `pixels` `[H, W, C]` and returns its label, -1 for none.
  ///
  /// - Throws: `DatasetError` if the shard cannot be read, has changed since the dataset was opened, or holds a label
  ///   outside the classes.
  public func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    precondition(index >= 0 && index < count, "image \(index) is not in 0..<\(count)")
    precondition(pixels.count == imageSize, "an image has \(imageSize) bytes, the buffer \(pixels.count)")
    let (shard, place) = locate(index)
    return try shards[shard].read(place, into: pixels)
  }

  /// Reads the images `indices` into `pixels` `[n, H, W, C]` and returns their labels.
  public func read(
    _ indices: some Swift.Collection<Int>, into pixels: UnsafeMutableBufferPointer<UInt8>
  ) throws -> [Int32] {
    precondition(
      pixels.count == indices.count * imageSize,
      "\(indices.count) images have \(indices.count * imageSize) bytes, the buffer \(pixels.count)")
    return try indices.enumerated().map { place, index in
      try read(index, into: .init(rebasing: pixels[place * imageSize..<(place + 1) * imageSize]))
    }
  }

  /// Reads every shard whole and compares its digest with the manifest's. Those who share the work each take a part.
  ///
  /// - Parameters:
  ///   - part: which of the parts to read.
  ///   - parts: how many read, each another part.
  /// - Throws: `DatasetError` naming all shards that were altered.
  public func verify(part: Int = 0, of parts: Int = 1) throws {
    precondition(part >= 0 && part < parts, "part \(part) of \(parts)")
    let altered = try manifest.shards.enumerated().filter { index, shard in
      guard index % parts == part else { return false }
      return try DatasetError.mapping {
        try SHA256.digest(ofFile: filePath(directory, shard.fileName)) != shard.sha256.lowercased()
      }
    }
    guard altered.isEmpty else {
      let names = altered.map(\.element.fileName).joined(separator: ", ")
      throw DatasetError.badData(
        directory, "not what was written, by their SHA-256: \(names); make the dataset anew")
    }
  }

  /// Shards that the manifest does not name are a sign that the directory holds parts of two datasets.
  private static func requireNoForeignShards(_ directory: String, _ manifest: DatasetManifest) throws {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: directory)
    } catch {
      throw DatasetError(FileError("list", directory, cause: error))
    }
    let foreign = Set(names.filter { $0.hasSuffix(".h5") && !$0.hasPrefix(".") })
      .subtracting(manifest.shards.map(\.fileName)).sorted()
    guard foreign.isEmpty else {
      let more = foreign.count > 3 ? " and \(foreign.count - 3) more" : ""
      throw DatasetError.badData(
        directory,
        "holds files that its \(DatasetManifest.fileName) does not name: "
          + "\(foreign.prefix(3).joined(separator: ", "))\(more); move them away, or make the dataset anew")
    }
  }

  /// The shard of image `index`, and its place there.
  private func locate(_ index: Int) -> (shard: Int, place: Int) {
    var (low, high) = (0, shards.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if bounds[middle] <= index { low = middle } else { high = middle }
    }
    return (low, index - bounds[low])
  }
}
