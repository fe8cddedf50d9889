import Datasets
import Foundation
import HDF5
import TestSupport
import Testing

@Suite("Making a dataset")
struct WriterTests {
  @Test(arguments: [1, 4, 23])
  func imagesAreSpreadEvenlyInOrder(shardCount: Int) throws {
    try withTemporaryDirectory { directory in
      let source = PatternSource()
      var progress: [Int] = []
      let manifest = try DatasetWriter(directory: directory, shardCount: shardCount)
        .write(source) { progress.append($0) }
      #expect(progress.last == 23)
      let counts = manifest.shards.map(\.count)
      #expect(counts.reduce(0, +) == 23)
      #expect(try #require(counts.max()) - #require(counts.min()) <= 1)
      let digits = shardCount == 4 ? "00004" : shardCount == 1 ? "00001" : "00023"
      #expect(manifest.shards[0].file == "train-00000-of-\(digits).h5")
      #expect(names(in: directory) == (["dataset.json"] + manifest.shards.map(\.file)).sorted())

      let dataset = try ShardedDataset(directory: directory)
      #expect(dataset.manifest == manifest)
      #expect(dataset.classNames == source.classNames)
      for index in 0..<23 {
        let (pixels, label) = try dataset.image(index)
        #expect(pixels == source.pixels(index))
        #expect(label == source.label(index))
      }
      try dataset.verify()
    }
  }

  @Test func shardsHoldWhatTheContractSays() throws {
    try withTemporaryDirectory { directory in
      try DatasetWriter(directory: directory, shardCount: 2).write(PatternSource())
      let root = try File(opening: "\(directory)/train-00001-of-00002.h5").root
      #expect(try root.children() == ["images", "labels"])
      let images = try root.dataset("images")
      #expect(images.shape == [12, 4, 3, 2])
      #expect(images.elementType == .uint8)
      #expect(try images.offset() != nil)
      let labels = try root.dataset("labels")
      #expect(labels.shape == [12])
      #expect(try labels.read(as: Int32.self) == (11..<23).map { Int32($0 % 4) - 1 })
    }
  }

  @Test func sameImagesGiveTheSameFiles() throws {
    try withTemporaryDirectory { directory in
      for copy in ["a", "b/c"] {
        try DatasetWriter(directory: "\(directory)/\(copy)", shardCount: 3).write(PatternSource())
      }
      for name in try #require(names(in: "\(directory)/a")) {
        #expect(try content("\(directory)/a/\(name)") == content("\(directory)/b/c/\(name)"))
      }
    }
  }

  @Test func blocksLargerThanAMegabyte() throws {
    try withTemporaryDirectory { directory in
      let source = PatternSource(count: 9, height: 600, width: 500, channels: 1)
      try DatasetWriter(directory: directory).write(source)
      let dataset = try ShardedDataset(directory: directory)
      for index in 0..<9 { #expect(try dataset.image(index).pixels == source.pixels(index)) }
    }
  }

  @Test func anEarlierCopyIsReplaced() throws {
    try withTemporaryDirectory { directory in
      try DatasetWriter(directory: directory, shardCount: 5).write(PatternSource())
      try DatasetWriter(directory: directory, shardCount: 2).write(PatternSource(count: 30))
      #expect(
        names(in: directory) == ["dataset.json", "train-00000-of-00002.h5", "train-00001-of-00002.h5"])
      #expect(try ShardedDataset(directory: directory).count == 30)
    }
  }

  @Test func whatAnInterruptedWriterLeftIsReplaced() throws {
    try withTemporaryDirectory { directory in
      // Stopped while writing, and stopped while giving names.
      for name in [".train-00000-of-00004.h5.partial", ".dataset.json.partial", "train-00001-of-00004.h5"] {
        try write([1, 2, 3], to: "\(directory)/\(name)")
      }
      let unfinished = #expect(throws: DatasetError.self) { try ShardedDataset(directory: directory) }
      #expect(unfinished?.description.contains("has no dataset.json") == true)
      try DatasetWriter(directory: directory, shardCount: 1).write(PatternSource())
      #expect(names(in: directory) == ["dataset.json", "train-00000-of-00001.h5"])
    }
  }

  @Test(arguments: [
    "notes.txt", "train-00000-of-00004.h5.bak", "test-00000-of-00004.h5", "train-1-of-2.h5", ".git",
  ])
  func aDirectoryOfOtherThingsIsRefused(name: String) throws {
    try withTemporaryDirectory { directory in
      try write([1, 2, 3], to: "\(directory)/\(name)")
      let error = try #require(throws: DatasetError.self) {
        try DatasetWriter(directory: directory).write(PatternSource())
      }
      #expect(error.path == directory)
      #expect(error.description.contains(name))
      #expect(names(in: directory) == [name])
      #expect(try content("\(directory)/\(name)") == Data([1, 2, 3]))
    }
  }

  @Test func anotherDatasetIsNotReplaced() throws {
    try withTemporaryDirectory { directory in
      try DatasetWriter(directory: directory).write(PatternSource())
      let before = names(in: directory)
      for other in [PatternSource(name: "other"), PatternSource(split: "test")] {
        let error = #expect(throws: DatasetError.self) {
          try DatasetWriter(directory: directory).write(other)
        }
        #expect(error?.description.contains("holds the dataset pattern, split train") == true)
      }
      #expect(names(in: directory) == before)
      try ShardedDataset(directory: directory).verify()
    }
  }

  @Test func aFileInThePlaceOfTheDirectoryIsRefused() throws {
    try withTemporaryDirectory { directory in
      try write([1], to: "\(directory)/file")
      #expect(throws: DatasetError.self) {
        try DatasetWriter(directory: "\(directory)/file").write(PatternSource())
      }
      #expect(throws: DatasetError.self) {
        try DatasetWriter(directory: "\(directory)/file/below").write(PatternSource())
      }
      #expect(try content("\(directory)/file") == Data([1]))
    }
  }

  @Test func aSourceThatFailsLeavesNothing() throws {
    try withTemporaryDirectory { directory in
      let source = PatternSource(failsAt: 20)
      #expect(throws: PatternSource.Failure.self) {
        try DatasetWriter(directory: "\(directory)/new/er", shardCount: 4).write(source)
      }
      #expect(names(in: directory) == [])
      try FileManager.default.createDirectory(atPath: "\(directory)/old", withIntermediateDirectories: false)
      #expect(throws: PatternSource.Failure.self) {
        try DatasetWriter(directory: "\(directory)/old").write(source)
      }
      #expect(names(in: "\(directory)/old") == [])
    }
  }

  @Test func aSourceThatFailsLeavesTheEarlierCopy() throws {
    try withTemporaryDirectory { directory in
      try DatasetWriter(directory: directory, shardCount: 3).write(PatternSource())
      let before = names(in: directory)
      #expect(throws: PatternSource.Failure.self) {
        try DatasetWriter(directory: directory, shardCount: 2).write(PatternSource(count: 30, failsAt: 29))
      }
      #expect(names(in: directory) == before)
      try ShardedDataset(directory: directory).verify()
    }
  }

  @Test(arguments: [-2, 3])
  func labelsOutsideTheClassesAreRefused(label: Int32) throws {
    try withTemporaryDirectory { directory in
      let error = try #require(throws: DatasetError.self) {
        try DatasetWriter(directory: "\(directory)/a").write(PatternSource(label: { $0 == 7 ? label : 0 }))
      }
      #expect(error.description.contains("the label of image 7 is \(label)"))
      #expect(names(in: directory) == [])
    }
  }

  @Test func moreShardsThanImagesAreRefused() throws {
    try withTemporaryDirectory { directory in
      let error = try #require(throws: DatasetError.self) {
        try DatasetWriter(directory: "\(directory)/a", shardCount: 24).write(PatternSource())
      }
      #expect(error.description.contains("24 shards need as many images, but pattern has 23"))
      #expect(names(in: directory) == [])
    }
  }

  @Test func twoWritersAtOnceAreRefused() throws {
    try withTemporaryDirectory { directory in
      let other = open(directory, O_RDONLY | O_CLOEXEC)
      #expect(flock(other, LOCK_EX | LOCK_NB) == 0)
      let error = #expect(throws: DatasetError.self) {
        try DatasetWriter(directory: directory).write(PatternSource())
      }
      #expect(error?.description.contains("another process is making a dataset here") == true)
      // Unlocked first: other tests start processes, which have the descriptor for a moment.
      flock(other, LOCK_UN)
      close(other)
      try DatasetWriter(directory: directory).write(PatternSource())
    }
  }

  /// In a process of its own, as the limit on the size of files is the whole process's.
  @Test func aFullDiskLeavesNothing() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          signal(SIGXFSZ, SIG_IGN)
          var limit = rlimit(rlim_cur: 100_000, rlim_max: 100_000)
          guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(2) }
          do {
            try DatasetWriter(directory: "\(directory)/a").write(PatternSource(count: 10_000))
          } catch let error as DatasetError {
            guard error.kind == .inputOutput, error.description.contains("File too large") else { exit(3) }
            guard names(in: directory) == [] else { exit(4) }
            return
          }
          exit(5)
        }
      }
    }
  }

  @Test func centeredImagesAreSurroundedByBlack() throws {
    let source = PatternSource()
    let centered = CenteredSource(source, size: 7)
    #expect(centered.height == 7 && centered.width == 7 && centered.channels == 2)
    let (pixels, label) = try centered.image(5)
    #expect(label == source.label(5))
    let inner = source.pixels(5)
    for y in 0..<7 {
      for x in 0..<7 {
        for channel in 0..<2 {
          let isInside = (1..<5).contains(y) && (2..<5).contains(x)
          let expected = isInside ? inner[((y - 1) * 3 + x - 2) * 2 + channel] : 0
          #expect(pixels[(y * 7 + x) * 2 + channel] == expected)
        }
      }
    }
  }
}
