import Datasets
import Foundation
import TestSupport
import Testing

/// Files with random damage are read or refused: no crash, no hang, and memory only as much as a file of that size may
/// need. What a mutation that no checksum sees changes, is for `verify()` to find.
@Suite("Damaged files")
struct DamageTests {
  /// Damages `original`, writes it to a file in a new directory, and reads it with `read`, again and again.
  private static func damage(
    _ original: [UInt8], header: Int, name: String, least: Int, _ read: (String) throws -> Void
  ) throws {
    try withTemporaryDirectory { directory in
      let path = "\(directory)/\(name)"
      try DamagedCopies(of: original, header: header).read(refused: least) { error in
        (error as? DatasetError).map { $0.path.hasPrefix(path) && $0.description.count < 2000 } ?? false
      } _: { bytes in
        try write(bytes, to: path)
        try read(path)
      }
    }
  }

  private static func readAll(_ source: any SampleSource) throws {
    // What the samples take is bounded by what the file could hold.
    let size = source.fields.reduce(0) { $0 + ($1.byteCount ?? 0) }
    guard source.count * size <= 4 << 20 else {
      throw DamagedCopies.Failure(description: "\(source.count) samples of \(size) bytes")
    }
    for index in 0..<source.count { _ = try source.sample(index) }
  }

  private static func numPy(_ path: String, images: String? = nil) throws -> ArraySource {
    try ArraySource(
      path, format: .numpy, ArrayImport(images: images.map { [$0] } ?? []), name: "a", split: .train)
  }

  @Test func numPyArrays() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let original = Array(try content("\(arrays)/images.npy"))
        try DamageTests.damage(original, header: 128, name: "a.npy", least: 500) { path in
          try DamageTests.readAll(DamageTests.numPy(path))
        }
      }
    }
  }

  @Test func numPyArchives() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        for (file, images) in [("stored.npz", "images"), ("deflated.npz", "x")] {
          let original = Array(try content("\(arrays)/\(file)"))
          try DamageTests.damage(original, header: 128, name: "a.npz", least: 500) { path in
            try DamageTests.readAll(DamageTests.numPy(path, images: images))
          }
        }
      }
    }
  }

  @Test func idxFiles() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let plain = idx([6, 5, 4], (0..<120).map { UInt8($0) })
        for isCompressed in [false, true] {
          let name = "train-images-idx3-ubyte" + (isCompressed ? ".gz" : "")
          let original = isCompressed ? try gzip(plain) : plain
          try DamageTests.damage(original, header: 16, name: name, least: 500) { path in
            let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
            try write(idx([6], [0, 1, 2, 3, 4, 5]), to: "\(directory)/train-labels-idx1-ubyte")
            try DamageTests.readAll(IDXSource(.mnist, directory: directory, split: .train))
          }
        }
      }
    }
  }

  @Test func cifar10Files() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let folder = "\(arrays)/cifar-10-batches-bin"
        let original = Array(try content("\(folder)/test_batch.bin"))
        try DamageTests.damage(original, header: 8, name: "test_batch.bin", least: 330) { path in
          let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
          try write(Array(content("\(folder)/batches.meta.txt")), to: "\(directory)/batches.meta.txt")
          try DamageTests.readAll(CIFAR10Source(directory: directory, split: .test))
        }
      }
    }
  }

  /// libhdf5 is not ours: whatever it does to damaged files must show here first.
  @Test func shards() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          try DatasetWriter(directory: directory, shardCount: 1).write(PatternSource(count: 60))
          let path = "\(directory)/train-00000-of-00001.h5"
          let pixels = (0..<60).flatMap { PatternSource().pixels($0) }
          try DamagedCopies(of: Array(try content(path)), header: 2048).read(refused: 330) { error in
            (error as? DatasetError)?.path.hasPrefix(directory) == true
          } _: { bytes in
            try write(bytes, to: path)
            let dataset = try ShardedDataset(directory: directory)
            // Damage to the pixels passes unseen here, and must not in a verification.
            let isSame = try (0..<60).flatMap { try dataset.image($0).pixels } == pixels
            if !isSame && (try? dataset.verify()) != nil {
              throw DamagedCopies.Failure(description: "other pixels were verified")
            }
          }
        }
      }
    }
  }

  /// Every field of a shard of several: no damage makes up what was not there unseen by `verify()`.
  @Test func shardsOfSeveralFields() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          try DatasetWriter(directory: directory, shardCount: 1).write(FieldSource())
          let path = "\(directory)/train-00000-of-00001.h5"
          func all() throws -> [String] {
            let dataset = try ShardedDataset(directory: directory)
            return try (0..<dataset.count).flatMap { sample in
              try dataset.fields.indices.map { try dataset.words(sample, field: $0) }
            }
          }
          let whole = try all()
          try DamagedCopies(of: Array(try content(path)), header: 4096).read(refused: 200) { error in
            (error as? DatasetError)?.path.hasPrefix(directory) == true
          } _: { bytes in
            try write(bytes, to: path)
            let isSame = try all() == whole
            if !isSame && (try? ShardedDataset(directory: directory).verify()) != nil {
              throw DamagedCopies.Failure(description: "other values were verified")
            }
          }
        }
      }
    }
  }

  /// A manifest without a seal, as other programs make it: whatever is in it, it is read or refused.
  @Test func manifests() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          let source = FieldSource()
          try DatasetWriter(directory: directory, shardCount: 2).write(source)
          let path = "\(directory)/dataset.json"
          let text = String(decoding: try content(path), as: UTF8.self)
          let unsealed = text.replacing(#/  "manifest_sha256" : "[0-9a-f]{64}",\n/#, with: "")
          try DamagedCopies(of: Array(unsealed.utf8), header: unsealed.utf8.count).read(refused: 500) {
            error in
            (error as? DatasetError).map { $0.path.hasPrefix(directory) } ?? false
          } _: { bytes in
            try write(bytes, to: path)
            let dataset = try ShardedDataset(directory: directory)
            try dataset.check()
            for sample in 0..<min(dataset.count, 100) {
              for field in dataset.fields.indices { _ = try dataset.words(sample, field: field) }
            }
          }
        }
      }
    }
  }

  /// HDF5 files of other programs, which have no digest: chunks, filters, attributes and scales are damaged as well.
  /// Text of variable length is left out: libhdf5 1.10 follows what a damaged heap says, wherever it leads.
  @Test func foreignHDF5Files() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let original = Array(try content("\(fields)/weather.h5"))
        try DamageTests.damage(original, header: 8192, name: "a.h5", least: 100) { path in
          var options = ArrayImport(images: ["u", "p"], labels: "labels/i2")
          options.extras = [.init(role: .scalar, variables: ["reynolds"])]
          try DamageTests.readAll(ArraySource(path, format: .hdf5, options, name: "a", split: .train))
        }
      }
    }
  }

  /// Each byte of a dataset's files is under a digest. In a process of its own: a process that another test starts
  /// here has libhdf5's lock on a new shard for a moment.
  @Test func everyChangedByteIsFound() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          try DatasetWriter(directory: directory, shardCount: 2).write(FieldSource())
          try ShardedDataset(directory: directory).verify()
          let files = try #require(names(in: directory)).map { "\(directory)/\($0)" }
          var generator = SeededGenerator(seed: 1)
          for _ in 0..<300 {
            let file = try #require(files.randomElement(using: &generator))
            let original = Array(try content(file))
            var bytes = original
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            bytes[place] ^= UInt8.random(in: 1...255, using: &generator)
            try write(bytes, to: file)
            let error = #expect(throws: DatasetError.self, "byte \(place) of \(file)") {
              try ShardedDataset(directory: directory).verify()
            }
            #expect(error?.description.contains(URL(filePath: file).lastPathComponent) == true)
            try write(original, to: file)
          }
        }
      }
    }
  }
}
