import Datasets
import Foundation
import Testing

@Suite("IDX files")
struct IDXTests {
  private static let count = 30
  private static let pixels = (0..<count * 20).map { UInt8(truncatingIfNeeded: $0 &* 11) }
  private static let labels = (0..<count).map { UInt8($0 % 10) }
  private static let images = idx([30, 4, 5], pixels)

  /// Writes a pair of files, with one of them replaced or left out.
  private func writePair(
    in directory: String, prefix: String = "train", isCompressed: Bool = false, images: [UInt8]? = images,
    labels: [UInt8]? = idx([30], labels)
  ) throws {
    for (name, bytes) in [("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)] {
      guard let bytes else { continue }
      let path = "\(directory)/\(prefix)-\(name)"
      try isCompressed ? write(gzip(bytes), to: path + ".gz") : write(bytes, to: path)
    }
  }

  @Test(arguments: [false, true], Split.allCases)
  func imagesAndLabels(isCompressed: Bool, split: Split) throws {
    try withTemporaryDirectory { directory in
      try writePair(in: directory, prefix: split == .train ? "train" : "t10k", isCompressed: isCompressed)
      let source = try IDXSource(.fashionMNIST, directory: directory, split: split)
      #expect(source.name == "fashion-mnist")
      #expect(source.split == split.rawValue)
      #expect(source.count == 30 && source.height == 4 && source.width == 5 && source.channels == 1)
      #expect(source.classNames.count == 10 && source.classNames[9] == "Ankle boot")
      // In order, then back and forth.
      for index in Array(0..<30) + [29, 3, 4, 17, 0] {
        let (pixels, label) = try source.image(index)
        #expect(pixels == Array(Self.pixels[index * 20..<(index + 1) * 20]))
        #expect(label == Int32(index % 10))
      }
    }
  }

  @Test func mnistHasDigits() throws {
    try withTemporaryDirectory { directory in
      try writePair(in: directory)
      let source = try IDXSource(.mnist, directory: directory, split: .train)
      #expect(source.name == "mnist")
      #expect(source.classNames == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])
    }
  }

  @Test func aDatasetIsMadeOfThem() throws {
    try withTemporaryDirectory { directory in
      try writePair(in: directory, isCompressed: true)
      let source = try IDXSource(.mnist, directory: directory, split: .train)
      try DatasetWriter(directory: "\(directory)/out", shardCount: 4).write(source)
      let dataset = try ShardedDataset(directory: "\(directory)/out")
      #expect((try (0..<30).map { try dataset.image($0).pixels }).flatMap { $0 } == Self.pixels)
      #expect(try (0..<30).map { try UInt8(dataset.image($0).label) } == Self.labels)
    }
  }

  /// Expects an error about the file `name` that says `problem`.
  private func expectError(
    _ name: String, _ problem: String, in directory: String, location: SourceLocation = #_sourceLocation
  ) throws {
    let error = try #require(throws: DatasetError.self, sourceLocation: location) {
      try IDXSource(.mnist, directory: directory, split: .train)
    }
    let path = name.isEmpty ? directory : "\(directory)/\(name)"
    #expect(error.path == path, sourceLocation: location)
    #expect(error.description.contains(problem), "\(error)", sourceLocation: location)
    #expect(error.kind == .badData, sourceLocation: location)
  }

  @Test func whatIsMissingIsNamed() throws {
    try withTemporaryDirectory { directory in
      try expectError("", "holds none of train-images-idx3-ubyte.gz, train-images-idx3-ubyte", in: directory)
      try writePair(in: directory, labels: nil)
      try expectError("", "holds none of train-labels-idx1-ubyte.gz, train-labels-idx1-ubyte", in: directory)
      try expectError("", "is not a directory", in: "\(directory)/none")
      try expectError("", "is not a directory", in: "\(directory)/train-images-idx3-ubyte")
    }
  }

  @Test(arguments: [1, 5, 12, 200])
  func truncatedGzip(missing: Int) throws {
    try withTemporaryDirectory { directory in
      try writePair(in: directory, isCompressed: true)
      let path = "\(directory)/train-images-idx3-ubyte.gz"
      try write(Array(content(path).dropLast(missing)), to: path)
      try expectError("train-images-idx3-ubyte.gz", "is truncated", in: directory)
    }
  }

  @Test func corruptGzip() throws {
    try withTemporaryDirectory { directory in
      try writePair(in: directory, isCompressed: true)
      let path = "\(directory)/train-images-idx3-ubyte.gz"
      var bytes = Array(try content(path))
      // The checksum is in the last eight bytes.
      bytes[bytes.count - 6] ^= 1
      try write(bytes, to: path)
      try expectError(
        "train-images-idx3-ubyte.gz", "is corrupt gzip data (incorrect data check)", in: directory)
    }
  }

  @Test func filesOfAnotherKind() throws {
    try withTemporaryDirectory { directory in
      try writePair(in: directory, images: idx([30, 4, 5], Self.pixels, magic: 0x0D03))
      try expectError("train-images-idx3-ubyte", "starts with 0x00000d03, expected 0x00000803", in: directory)
      try writePair(in: directory, labels: Self.images)
      try expectError("train-labels-idx1-ubyte", "starts with 0x00000803, expected 0x00000801", in: directory)
      try writePair(in: directory, images: Array("<html>not found</html>".utf8))
      try expectError("train-images-idx3-ubyte", "is not an IDX file of images", in: directory)
      try writePair(in: directory, images: [])
      try expectError("train-images-idx3-ubyte", "starts with 0 bytes in all", in: directory)
      try writePair(in: directory, images: Array(Self.images.prefix(10)))
      try expectError(
        "train-images-idx3-ubyte", "ends inside its header, after 10 of 16 bytes", in: directory)
    }
  }

  @Test(arguments: [false, true])
  func dimensionsThatDisagreeWithTheLength(isCompressed: Bool) throws {
    let name = isCompressed ? "train-images-idx3-ubyte.gz" : "train-images-idx3-ubyte"
    let all = UInt32.max
    for (dimensions, problem) in [
      ([31, 4, 5], "promises 31 x 4 x 5 images, 620 bytes, but 600 follow"),
      ([29, 4, 5], "promises 29 x 4 x 5 images, 580 bytes, but more follow"),
      ([0, 4, 5], "holds 0 x 4 x 5 images, expected at least 1"),
      // Nothing near this much may be allocated.
      ([all, all, all], "more than 2^63 bytes, but 600 follow"),
      ([1, 1 << 31, 1 << 31], "4611686018427387904 bytes, but 600 follow"),
    ] as [([UInt32], String)] {
      try withTemporaryDirectory { directory in
        try writePair(in: directory, isCompressed: isCompressed, images: idx(dimensions, Self.pixels))
        try expectError(name, problem, in: directory)
      }
    }
  }

  @Test func labelsThatDoNotFit() throws {
    try withTemporaryDirectory { directory in
      try writePair(in: directory, labels: idx([29], Array(Self.labels.dropLast())))
      try expectError("train-labels-idx1-ubyte", "holds 29 labels, but", in: directory)
      var labels = Self.labels
      labels[12] = 10
      try writePair(in: directory, labels: idx([30], labels))
      try expectError(
        "train-labels-idx1-ubyte", "the label of image 12 is 10, expected 0 to 9", in: directory)
    }
  }
}
