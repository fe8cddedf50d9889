import Datasets
import Foundation
import HDF5
import TestSupport
import Testing

@Suite("Reading a dataset")
struct ShardedDatasetTests {
  private static let shard = "train-00001-of-00003.h5"

  private func withDataset(_ body: (String) throws -> Void) throws {
    try withTemporaryDirectory { directory in
      try DatasetWriter(directory: directory, shardCount: 3).write(PatternSource())
      try body(directory)
    }
  }

  private func expectError(
    _ name: String, _ problems: [String], in directory: String, location: SourceLocation = #_sourceLocation
  ) throws {
    let error = try #require(throws: DatasetError.self, sourceLocation: location) {
      try ShardedDataset(directory: directory).check()
    }
    #expect(error.path == (name.isEmpty ? directory : "\(directory)/\(name)"), sourceLocation: location)
    #expect(error.kind == .badData, sourceLocation: location)
    for problem in problems {
      #expect(error.description.contains(problem), "\(error)", sourceLocation: location)
    }
  }

  /// Replaces a shard, which should hold 8 images, with one of other content.
  private func replaceShard<Images: HDF5Element, Labels: HDF5Element>(
    in directory: String, images: [Images], imageShape: [Int], imageLayout: Group.Layout = .contiguous,
    labels: [Labels]
  ) throws {
    let file = try File(creating: "\(directory)/\(Self.shard)")
    try file.root.createDataset("images", of: Images.self, shape: imageShape, layout: imageLayout).write(
      images)
    try file.root.createDataset("labels", of: Labels.self, shape: [labels.count]).write(labels)
    try file.close()
  }

  @Test func properties() throws {
    try withDataset { directory in
      let dataset = try ShardedDataset(directory: directory)
      #expect(dataset.count == 23 && dataset.height == 4 && dataset.width == 3 && dataset.channels == 2)
      #expect(dataset.digest == dataset.manifest.digest)
    }
  }

  @Test func imagesInAnyOrder() throws {
    try withDataset { directory in
      let dataset = try ShardedDataset(directory: directory)
      for index in [22, 0, 7, 8, 8, 14, 15] {
        let image = try dataset.image(index)
        #expect(image.pixels == PatternSource().pixels(index) && image.label == PatternSource().label(index))
      }
    }
  }

  @Test func missingFiles() throws {
    try withDataset { directory in
      try expectError("", ["does not exist"], in: "\(directory)/none")
      try FileManager.default.removeItem(atPath: "\(directory)/\(Self.shard)")
      try expectError(Self.shard, ["No such file"], in: directory)
      try FileManager.default.removeItem(atPath: "\(directory)/dataset.json")
      try expectError("", ["has no dataset.json"], in: directory)
    }
  }

  @Test func truncatedAndForeignShards() throws {
    try withDataset { directory in
      let path = "\(directory)/\(Self.shard)"
      try write(Array(content(path).dropLast(1)), to: path)
      try expectError(Self.shard, ["truncated file"], in: directory)
      try write(Array("not HDF5".utf8), to: path)
      try expectError(Self.shard, ["file signature not found"], in: directory)
    }
  }

  @Test func shardsOfOtherContent() throws {
    let labels = [Int32](repeating: 0, count: 8)
    try withDataset { directory in
      try replaceShard(
        in: directory, images: [UInt8](repeating: 0, count: 9 * 24), imageShape: [9, 4, 3, 2], labels: labels)
      try expectError(Self.shard, ["/images", "shape is [9, 4, 3, 2], expected [8, 4, 3, 2]"], in: directory)

      let pixels = [UInt8](repeating: 0, count: 8 * 24)
      try replaceShard(in: directory, images: pixels, imageShape: [8, 3, 4, 2], labels: labels)
      try expectError(Self.shard, ["shape is [8, 3, 4, 2], expected [8, 4, 3, 2]"], in: directory)
      try replaceShard(
        in: directory, images: pixels.map { Float($0) }, imageShape: [8, 4, 3, 2], labels: labels)
      try expectError(Self.shard, ["element type is float32, expected uint8"], in: directory)
      try replaceShard(
        in: directory, images: pixels, imageShape: [8, 4, 3, 2], labels: labels.map { Int64($0) })
      try expectError(Self.shard, ["/labels", "element type is int64, expected int32"], in: directory)
      try replaceShard(
        in: directory, images: pixels, imageShape: [8, 4, 3, 2], labels: Array(labels.dropLast()))
      try expectError(Self.shard, ["/labels", "shape is [7], expected [8]"], in: directory)
      try replaceShard(
        in: directory, images: pixels, imageShape: [8, 4, 3, 2],
        imageLayout: .chunked([1, 4, 3, 2], gzip: 1), labels: labels)
      try expectError(Self.shard, ["/images is not in one uncompressed little-endian piece"], in: directory)

      let file = try File(creating: "\(directory)/\(Self.shard)")
      try file.root.createGroup("pictures")
      try file.close()
      try expectError(Self.shard, ["/images", "not in the file; found there: pictures"], in: directory)
    }
  }

  @Test func labelsOutsideTheClasses() throws {
    try withDataset { directory in
      try replaceShard(
        in: directory, images: [UInt8](repeating: 0, count: 8 * 24), imageShape: [8, 4, 3, 2],
        labels: [0, 1, 2, 3, -2, 0, 0, 0] as [Int32])
      let dataset = try ShardedDataset(directory: directory)
      let first = dataset.manifest.shards[0].count
      #expect(try dataset.image(first + 2).label == 2)
      for (place, label) in [(3, 3), (4, -2)] {
        let error = #expect(throws: DatasetError.self) { try dataset.image(first + place) }
        #expect(error?.description.contains("the label of image \(place) is \(label)") == true)
        #expect(error?.path == "\(directory)/\(Self.shard)")
      }
    }
  }

  @Test func alteredShardsAreFoundAndNamed() throws {
    try withDataset { directory in
      for name in ["train-00000-of-00003.h5", "train-00002-of-00003.h5"] {
        var bytes = Array(try content("\(directory)/\(name)"))
        bytes[bytes.count / 2] ^= 0x10
        try write(bytes, to: "\(directory)/\(name)")
      }
      let dataset = try ShardedDataset(directory: directory)
      let error = try #require(throws: DatasetError.self) { try dataset.verify() }
      #expect(error.description.contains("train-00000-of-00003.h5, train-00002-of-00003.h5"))
      #expect(!error.description.contains(Self.shard))
    }
  }

  @Test func aShardReplacedAfterOpeningIsNoticed() throws {
    try withDataset { directory in
      let dataset = try ShardedDataset(directory: directory)
      try DatasetWriter(directory: directory, shardCount: 3).write(PatternSource(label: { _ in 0 }))
      let error = #expect(throws: DatasetError.self) { try dataset.image(0) }
      #expect(error?.description.contains("was replaced or altered since the dataset was opened") == true)
    }
  }

  @Test func threadsReadAtOnce() async throws {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("oboro-datasets-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try DatasetWriter(directory: directory, shardCount: 5).write(PatternSource(count: 500))
    let dataset = try ShardedDataset(directory: directory)
    let correct = try await withThrowingTaskGroup(of: Int.self) { group in
      for worker in 0..<8 {
        group.addTask {
          try (0..<500).count { step in
            let index = (step * 37 + worker * 101) % 500
            return try dataset.image(index).pixels == PatternSource().pixels(index)
          }
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(correct == 4000)
  }
}

extension ShardedDatasetTests {
  @Test func shardsThatTheManifestDoesNotNameAreRefused() throws {
    try withTemporaryDirectory { directory in
      try DatasetWriter(directory: directory, shardCount: 2).write(PatternSource())
      // What is not a shard may lie beside them.
      for name in ["README.txt", ".nfs0001", ".x.h5"] { try write([1], to: "\(directory)/\(name)") }
      #expect(try ShardedDataset(directory: directory).count == 23)
      try write([1], to: "\(directory)/train-00002-of-00003.h5")
      let error = #expect(throws: DatasetError.self) { try ShardedDataset(directory: directory) }
      #expect(error?.problem.contains("dataset.json does not name: train-00002-of-00003.h5") == true)
      #expect(error?.path == directory)
    }
  }

  /// One of another dataset fits by shape, but not by digest.
  @Test func aShardOfAnotherDatasetIsFoundByWhoeverReadsItsPart() throws {
    try withTemporaryDirectory { directory in
      let (ours, other) = ("\(directory)/a", "\(directory)/b")
      try DatasetWriter(directory: ours, shardCount: 5).write(PatternSource())
      try DatasetWriter(directory: other, shardCount: 5).write(PatternSource(label: { _ in 1 }))
      let name = "train-00003-of-00005.h5"
      try write(Array(content("\(other)/\(name)")), to: "\(ours)/\(name)")
      let dataset = try ShardedDataset(directory: ours)
      for parts in 1...6 {
        for part in 0..<parts {
          let error = (try? dataset.verify(part: part, of: parts)) == nil
          #expect(error == (3 % parts == part), "part \(part) of \(parts)")
        }
      }
    }
  }
}

/// Shards are looked at and opened when they are needed.
extension ShardedDatasetTests {
  @Test func partsOfTheShardsAreCheckedByThoseWhoShareThem() throws {
    try withDataset { directory in
      let path = "\(directory)/\(Self.shard)"
      try write(Array("not HDF5".utf8), to: path)
      let dataset = try ShardedDataset(directory: directory)
      #expect(throws: DatasetError.self) { try dataset.check() }
      for part in 0..<3 {
        #expect(((try? dataset.check(part: part, of: 3)) == nil) == (part == 1))
      }
      // Samples of the others can be read.
      #expect(try dataset.image(0).pixels == PatternSource().pixels(0))
      #expect(throws: DatasetError.self) { try dataset.image(8) }
      #expect(throws: DatasetError.self) { try dataset.image(8) }
    }
  }

  /// In a process of its own, whose limit it is.
  @Test func moreShardsThanDescriptors() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          try DatasetWriter(directory: directory, shardCount: 1200).write(PatternSource(count: 2400))
          // What the process has been started with stays open: the numbers may be high, and many.
          let inherited = (0..<600).map { _ in open("/dev/null", O_RDONLY) }
          defer { for descriptor in inherited { close(descriptor) } }
          let before = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            UInt($0)
          }
          let most = (before.max() ?? 0) + 200
          var limit = rlimit(rlim_cur: most, rlim_max: most)
          guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { exit(2) }
          let dataset = try ShardedDataset(directory: directory)
          try dataset.check()
          let loader = Loader(dataset: dataset, seed: 3, batchSize: 240, share: 0..<240)
          for _ in 0..<20 {
            let batch = try loader.next()
            guard
              batch.images
                == batch.indices.flatMap({ PatternSource().pixels($0) }).map({ Float($0) / 127.5 - 1 })
            else { exit(3) }
          }
          let openCount = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
          // A quarter of what the process may still open, and what threads hold for a moment.
          if openCount > before.count + (Int(most) - before.count) / 4 + 64 { exit(4) }
          loader.close()
          try dataset.verify()
        }
      }
    }
  }

  @Test func threadsShareAFewOpenFiles() async throws {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("oboro-datasets-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try DatasetWriter(directory: directory, shardCount: 50).write(PatternSource(count: 500))
    let dataset = try ShardedDataset(directory: directory, openFileLimit: 2)
    let correct = try await withThrowingTaskGroup(of: Int.self) { group in
      for worker in 0..<8 {
        group.addTask {
          try (0..<500).count { step in
            let index = (step * 37 + worker * 101) % 500
            return try dataset.image(index).pixels == PatternSource().pixels(index)
          }
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(correct == 4000)
  }

  /// As datasets were until format 2: the same shards, another manifest.
  @Test func theFirstFormatIsReadAsBefore() throws {
    try withDataset { directory in
      let second = try ShardedDataset(directory: directory)
      let shards = second.manifest.shards.map {
        """
        {"file_name": "\($0.file)", "image_count": \($0.count), "sha256": "\($0.sha256)"}
        """
      }
      let text = """
        {"format_version": 1, "name": "pattern", "split": "train", "image_count": 23, "height": 4, "width": 3,
         "channels": 2, "class_names": ["a", "b", "c"], "shards": [\(shards.joined(separator: ", "))]}
        """
      var batches: [Loader.Batch] = []
      for content in [try String(contentsOfFile: "\(directory)/dataset.json", encoding: .utf8), text] {
        try write(Array(content.utf8), to: "\(directory)/dataset.json")
        let dataset = try ShardedDataset(directory: directory)
        try dataset.check()
        try dataset.verify()
        #expect(dataset.digest == second.digest)
        let loader = Loader(
          dataset: dataset, seed: 1, batchSize: 40, share: 3..<33, firstStep: 2, horizontalFlip: true)
        batches.append(try loader.next())
        loader.close()
      }
      #expect(batches[0].images == batches[1].images && batches[0].images.count == 30 * 24)
      #expect(batches[0].labels == batches[1].labels && batches[0].indices == batches[1].indices)
      // It is replaced by one of the current format.
      try DatasetWriter(directory: directory, shardCount: 2).write(PatternSource())
      #expect(try ShardedDataset(directory: directory).manifest.formatVersion == 2)
    }
  }
}
