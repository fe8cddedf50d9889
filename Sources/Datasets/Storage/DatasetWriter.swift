import Files
import Foundation
import HDF5

/// Creates a dataset's directory from a source of samples.
///
/// Memory use is constant whatever the size of the dataset. An earlier copy of the dataset in the directory remains
/// unchanged until everything has been written and flushed. The same source gives the same bytes, on any number of
/// threads.
public struct DatasetWriter {
  /// The list of samples that could not be read, next to the shards of the others.
  public static let unreadableName = "unreadable.txt"
  /// A folder within the dataset's for intermediate results, kept if the work is interrupted.
  public static let workName = ".encoding"
  /// Approximate size of a shard if their number is not given.
  private static let shardBytes = 256 << 20

  private let directory: String
  private let shardCount: Int?
  private let threadCount: Int

  /// - Parameters:
  ///   - shardCount: number of shards to distribute the samples over; nil chooses it by size.
  ///   - threadCount: number of threads that may read samples concurrently.
  public init(directory: String, shardCount: Int? = nil, threadCount: Int = 1) {
    precondition(shardCount ?? 1 > 0, "shardCount must be positive, is \(shardCount ?? 0)")
    precondition(threadCount > 0, "threadCount must be positive, is \(threadCount)")
    self.directory = directory
    self.shardCount = shardCount
    self.threadCount = threadCount
  }

  /// Writes the samples of `source` in order, distributed evenly over the shards.
  ///
  /// - Parameter progress: called periodically with the number of samples written.
  /// - Throws: `DatasetError` if the directory holds something else, the source cannot be read or has fewer samples
  ///   than shards, or the disk is full. Temporary files are then removed, as is the directory if it is new.
  @discardableResult
  public func write(_ source: any SampleSource, progress: (Int) -> Void = { _ in }) throws -> DatasetManifest
  {
    try requireEnough(source)
    return try staged(source) { staged in
      try writeShards(of: source, to: staged, hasUnreadable: false, progress: progress)
    }
  }

  /// Writes those samples of `source` that can be read, like `write`. The others are listed in `unreadableName` next to
  /// the shards. Temporarily requires disk space for all samples twice.
  ///
  /// - Parameters:
  ///   - progress: called periodically with the number of samples read.
  ///   - skip: called in order with the reason why a sample cannot be read; an error that it throws aborts the write.
  /// - Throws: as `write`, and if no sample can be read. System failures are not skipped.
  @discardableResult
  public func writeReadable(
    _ source: any SampleSource, progress: (Int) -> Void = { _ in }, skip: (DatasetError) throws -> Void
  ) throws -> DatasetManifest {
    try requireEnough(source)
    return try staged(source) { staged in
      let spool = try SampleSpool(for: source, at: staged.partialPath(of: SampleSpool.fileName))
      let hasUnreadable = try fill(spool, from: source, staged: staged, progress: progress, skip: skip)
      try requireEnough(spool)
      return try writeShards(of: spool, to: staged, hasUnreadable: hasUnreadable, progress: { _ in })
    }
  }

  private func requireEnough(_ source: any SampleSource) throws {
    if let shardCount, shardCount > source.count {
      throw DatasetError.badData(
        directory, "\(shardCount) shards need as many images, but \(source.name) has \(source.count)")
    }
  }

  /// Runs `body` with the staged directory, and abandons it on failure.
  private func staged(
    _ source: any SampleSource, _ body: (StagedDirectory) throws -> DatasetManifest
  ) throws -> DatasetManifest {
    let staged = try StagedDirectory(directory, name: source.name, split: source.split)
    do {
      return try DatasetError.mapping { try body(staged) }
    } catch {
      staged.abandon()
      throw error
    }
  }

  /// Reads all samples into `spool`; returns whether any were skipped.
  private func fill(
    _ spool: SampleSpool, from source: any SampleSource, staged: StagedDirectory, progress: (Int) -> Void,
    skip: (DatasetError) throws -> Void
  ) throws -> Bool {
    var list: LineFile?
    var first: DatasetError?
    try BlockReader(source, threadCount: threadCount).read(0..<source.count) { samples, block, results in
      for (place, result) in results.enumerated() {
        do {
          try result.get()
          try spool.append(place, of: block)
        } catch let error as DatasetError where error.kind == .badData {
          try skip(error)
          let file = try list ?? LineFile(appendingTo: staged.partialPath(of: Self.unreadableName))
          try file.append("\(error)".split(whereSeparator: \.isNewline).joined(separator: " "))
          list = file
          first = first ?? error
        }
      }
      progress(samples.upperBound)
    }
    if spool.count == 0, let first {
      throw DatasetError.badData(
        first.path, "\(first.problem); and none of the other \(source.count - 1) images can be read either")
    }
    return list != nil
  }

  private func writeShards(
    of source: any SampleSource, to staged: StagedDirectory, hasUnreadable: Bool, progress: (Int) -> Void
  ) throws -> DatasetManifest {
    var manifest = DatasetManifest(
      formatVersion: DatasetManifest.currentFormatVersion, name: source.name, split: source.split,
      count: source.count, fields: source.fields, classNames: source.classNames, shards: [],
      encoding: source.encoding)
    let shardCount = shardCount(for: manifest)
    for shard in 0..<shardCount {
      let name = Self.shardName(source.split, shard, of: shardCount)
      let samples = source.count * shard / shardCount..<source.count * (shard + 1) / shardCount
      let path = staged.partialPath(of: name)
      try Self.inputOutput(path) { try writeShard(path, samples, of: source, progress: progress) }
      manifest.shards.append(
        DatasetManifest.Shard(file: name, count: samples.count, sha256: try SHA256.digest(ofFile: path)))
    }
    if let contradiction = manifest.contradiction { throw DatasetError.badData(source.name, contradiction) }
    try staged.commit(
      shards: manifest.shards.map(\.file), hasUnreadable: hasUnreadable, manifest: manifest.encoded())
    return manifest
  }

  private func shardCount(for manifest: DatasetManifest) -> Int {
    if let shardCount { return shardCount }
    // Labels are negligible; the length of texts is not known yet.
    let sizes = manifest.fields.filter { $0.role != .label }.map { $0.byteCount ?? 256 }
    return min(manifest.count, max(1, manifest.count / max(1, Self.shardBytes / max(1, sizes.reduce(0, +)))))
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
    _ path: String, _ range: Range<Int>, of source: any SampleSource, progress: (Int) -> Void
  ) throws {
    let fields = source.fields
    let file = try File(creating: path)
    let datasets = try fields.map { field in
      try field.type == .text
        ? nil
        : file.root.createDataset(
          field.name, of: field.type.elementType, shape: [range.count] + field.shape)
    }
    // The maximum length is known only at the end, so texts are kept in memory.
    var texts = [[String]](repeating: [], count: fields.count)
    try BlockReader(source, threadCount: threadCount).read(range) { samples, block, results in
      for result in results { try result.get() }
      let place = samples.lowerBound - range.lowerBound
      for (index, field) in fields.enumerated() {
        if let dataset = datasets[index] {
          try dataset.write(
            from: UnsafeRawBufferPointer(block.bytes(index, count: samples.count)),
            offset: [place] + field.shape.map { _ in 0 }, count: [samples.count] + field.shape)
        } else {
          texts[index] += block.texts[index][..<samples.count].joined()
        }
      }
      progress(samples.upperBound)
    }
    for (index, field) in fields.enumerated() where field.type == .text {
      try file.root.createDataset(field.name, strings: texts[index], shape: [range.count] + field.shape)
    }
    try file.close()
  }

  /// Runs `body`, which writes `path`: HDF5 errors on it are input/output failures.
  private static func inputOutput(_ path: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as HDF5Error where error.file == path {
      throw DatasetError(kind: .inputOutput, path: path, problem: "cannot write it: \(error)")
    }
  }
}
