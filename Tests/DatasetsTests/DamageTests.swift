import Datasets
import Foundation
import TestSupport
import Testing

/// Files with random damage are read or refused: no crash, no hang, and memory only as much as a file of that size may
/// need. What a mutation that no checksum sees changes, is for `verify()` to find.
@Suite("Damaged files")
struct DamageTests {
  /// Damages `original` 300 times, writes it to a file in a new directory, and reads it with `read`.
  private func damage(
    _ original: [UInt8], header: Int, name: String, least: Int, _ read: (String) throws -> Void
  ) throws {
    try withTemporaryDirectory { directory in
      var generator = SeededGenerator(seed: 2026)
      var refusedCount = 0
      let path = "\(directory)/\(name)"
      for _ in 0..<300 {
        try write(damaged(original, header: header, using: &generator), to: path)
        do {
          try read(path)
        } catch let error as DatasetError {
          #expect(error.path.hasPrefix(path) && error.description.count < 2000, "\(error)")
          refusedCount += 1
        }
      }
      #expect(refusedCount >= least)
    }
  }

  private func readAll(_ source: any ImageSource) throws {
    // What the images take is bounded by what the file could hold.
    #expect(source.count * source.imageSize <= 1 << 20)
    for index in 0..<source.count { _ = try source.image(index) }
  }

  @Test func numPyArrays() throws {
    try damage(Array(content("\(arrays)/images.npy")), header: 128, name: "a.npy", least: 150) { path in
      try readAll(NumPySource(path, name: "a", split: .train))
    }
  }

  @Test(arguments: [("stored.npz", "images"), ("deflated.npz", "x")])
  func numPyArchives(_ file: String, _ images: String) throws {
    try damage(Array(content("\(arrays)/\(file)")), header: 128, name: "a.npz", least: 150) { path in
      try readAll(NumPySource(path, imagesName: images, name: "a", split: .train))
    }
  }

  @Test(arguments: [false, true]) func idxFiles(isCompressed: Bool) throws {
    let plain = idx([6, 5, 4], (0..<120).map { UInt8($0) })
    let name = "train-images-idx3-ubyte" + (isCompressed ? ".gz" : "")
    try damage(isCompressed ? gzip(plain) : plain, header: 16, name: name, least: 150) { path in
      let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
      try write(idx([6], [0, 1, 2, 3, 4, 5]), to: "\(directory)/train-labels-idx1-ubyte")
      try readAll(IDXSource(.mnist, directory: directory, split: .train))
    }
  }

  @Test func cifar10Files() throws {
    let folder = "\(arrays)/cifar-10-batches-bin"
    try damage(Array(content("\(folder)/test_batch.bin")), header: 8, name: "test_batch.bin", least: 100) {
      path in
      let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
      try write(Array(content("\(folder)/batches.meta.txt")), to: "\(directory)/batches.meta.txt")
      try readAll(CIFAR10Source(directory: directory, split: .test))
    }
  }

  /// In a process of its own: libhdf5 is not ours, and whatever it does to damaged files must show here first.
  @Test func shards() async {
    await #expect(processExitsWith: .success) {
      try withTemporaryDirectory { directory in
        try DatasetWriter(directory: directory, shardCount: 1).write(PatternSource(count: 60))
        let path = "\(directory)/train-00000-of-00001.h5"
        let original = Array(try content(path))
        let pixels = (0..<60).flatMap { PatternSource().pixels($0) }
        var generator = SeededGenerator(seed: 2026)
        var refusedCount = 0
        for _ in 0..<300 {
          let bytes = damaged(original, header: 2048, using: &generator)
          try write(bytes, to: path)
          do {
            let dataset = try ShardedDataset(directory: directory)
            let isSame = try (0..<60).flatMap { try dataset.image($0).pixels } == pixels
            // Damage to the pixels passes unseen here, and must not in a verification.
            if !isSame {
              let isVerified = (try? dataset.verify()) != nil
              if isVerified { exit(2) }
            }
          } catch let error as DatasetError {
            guard error.path.hasPrefix(directory) else { exit(3) }
            refusedCount += 1
          }
        }
        guard refusedCount >= 100 else { exit(4) }
      }
    }
  }
}
