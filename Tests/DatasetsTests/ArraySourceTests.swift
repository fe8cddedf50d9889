import Datasets
import Foundation
import Testing

/// What `Tests/Fixtures/generators/arrays.py` writes.
let arrays = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Fixtures/arrays").path

@Suite("Arrays of other programs")
struct ArraySourceTests {
  private static let bytes = (0..<5 * 36).map { UInt8(truncatingIfNeeded: $0 * 11) }

  private func numPy(
    _ name: String, images: String? = nil, labels: String? = nil, classes: [String]? = nil,
    order: String? = nil
  ) throws -> ArraySource {
    var options = ArrayImport(images: images.map { [$0] } ?? [], labels: labels)
    options.classNames = classes
    options.order = order.flatMap(AxisOrder.init)
    return try ArraySource(
      name.hasPrefix("/") ? name : "\(arrays)/\(name)", format: .numpy, options, name: "test", split: .train)
  }

  private func hdf5(
    _ images: String, labels: String? = nil, order: String? = nil, file: String = "images.h5"
  ) throws -> ArraySource {
    var options = ArrayImport(images: [images], labels: labels)
    options.order = order.flatMap(AxisOrder.init)
    return try ArraySource("\(arrays)/\(file)", format: .hdf5, options, name: "test", split: .train)
  }

  /// Expects the fixtures' five images, in order and back and forth.
  private func expectImages(
    _ source: ArraySource, labels: [Int32] = [-1, -1, -1, -1, -1], classes: [String] = [],
    location: SourceLocation = #_sourceLocation
  ) throws {
    #expect(
      source.count == 5 && source.fields.map(\.name) == ["images", "labels"], sourceLocation: location)
    #expect(source.fields[0].type == .uint8 && source.fields[0].shape == [4, 3, 3], sourceLocation: location)
    #expect(source.classNames == classes, sourceLocation: location)
    for index in [0, 1, 2, 3, 4, 2, 0, 4] {
      let image = try source.image(index)
      #expect(image.pixels == Array(Self.bytes[index * 36..<(index + 1) * 36]), sourceLocation: location)
      #expect(image.label == labels[index], sourceLocation: location)
    }
  }

  private func expectError(
    _ problem: String, location: SourceLocation = #_sourceLocation, _ body: () throws -> Any
  ) {
    let error = #expect(throws: DatasetError.self, sourceLocation: location) { try body() }
    #expect(error?.kind == .badData, sourceLocation: location)
    #expect(error?.description.contains(problem) == true, "\(error as Any)", sourceLocation: location)
  }

  private let labels: [Int32] = [0, 1, 2, 1, -1]
  private let digits = ["0", "1", "2"]

  @Test func numPyArrays() throws {
    try expectImages(numPy("images.npy"))
    try expectImages(numPy("version-2.npy"))
    for name in ["labels.npy", "labels-big-endian.npy"] {
      try expectImages(numPy("images.npy", labels: "\(arrays)/\(name)"), labels: labels, classes: digits)
    }
    let first = try numPy("channels-first.npy", labels: "\(arrays)/labels.npy", order: "NCHW")
    try expectImages(first, labels: labels, classes: digits)
    try expectImages(numPy("fortran.npy"))
    let grey = try numPy("grey.npy", order: "NHW")
    #expect(grey.count == 5 && grey.fields[0].shape == [4, 3, 1])
    #expect(try grey.image(3).pixels == Array(Self.bytes[36..<48]))
  }

  @Test func numPyArchives() throws {
    try expectImages(numPy("stored.npz"), labels: labels, classes: digits)
    try expectImages(numPy("deflated.npz", images: "x"))
    let names = ["a", "b", "c", "d"]
    // 255, which is what uint8 makes of -1, is a multiple of 3.
    try expectImages(
      numPy("deflated.npz", images: "x", labels: "y", classes: names), labels: [0, 1, 2, 1, 0], classes: names
    )
    try expectImages(
      numPy("deflated.npz", images: "x", labels: "\(arrays)/labels.npy"), labels: labels, classes: digits)
  }

  @Test func whatIsWrongWithNumPyArraysIsSaid() {
    expectError("labels.npy: has the shape [5], expected [N, H, W] or [N, H, W, C] of samples") {
      try numPy("labels.npy")
    }
    expectError("has the shape [5, 4, 3], expected [N, C, H, W]") { try numPy("grey.npy", order: "NCHW") }
    expectError("grey.npy: has the shape [5, 4, 3]: one image of 3 channels, or 5 grey ones of 4 x 3?") {
      try numPy("grey.npy")
    }
    expectError("has the shape [5, 3, 4, 3, 1], expected [N, H, W] or [N, H, W, C]") {
      try withTemporaryDirectory { directory in
        var bytes = Array(try content("\(arrays)/images.npy"))
        let text = String(decoding: bytes[10..<128], as: UTF8.self)
        let range = try #require(text.range(of: "(5, 4, 3, 3), }   "))
        let place = 10 + text.utf8.distance(from: text.startIndex, to: range.lowerBound)
        bytes.replaceSubrange(place..<place + 18, with: Array("(5, 3, 4, 3, 1), }".utf8))
        try write(bytes, to: "\(directory)/a.npy")
        return try numPy("\(directory)/a.npy")
      }
    }
    expectError("the label of image 0 is 1099511627776, expected -1 to 65535") {
      try numPy("images.npy", labels: "\(arrays)/labels-beyond.npy")
    }
    expectError("the label of image 2 is 2, expected -1 to 1") {
      try numPy("stored.npz", classes: ["a", "b"])
    }
    expectError("grey.npy: has the shape [5, 4, 3], expected [5] of labels") {
      try numPy("images.npy", labels: "\(arrays)/grey.npy")
    }
    expectError("deflated.npz: holds no array named images, but x, y") { try numPy("deflated.npz") }
    expectError("stored.npz: holds no array named z, but images, labels") {
      try numPy("stored.npz", labels: "z")
    }
    expectError("is no archive (.npz), so it has no array named x") { try numPy("images.npy", images: "x") }
    expectError("images.h5: is no NumPy array") { try numPy("images.h5") }
    expectError("none.npy: cannot open it: No such file") { try numPy("none.npy") }
  }

  @Test func lengthsThatDisagree() throws {
    try withTemporaryDirectory { directory in
      let path = "\(directory)/a.npy"
      let whole = Array(try content("\(arrays)/images.npy"))
      try write(Array(whole.dropLast(7)), to: path)
      expectError("its header promises |u1 (5, 4, 3, 3), 180 bytes, but 173 follow") { try numPy(path) }
      let text = String(decoding: whole[10..<128], as: UTF8.self)
      // Nothing near this much may be allocated.
      let huge = text.replacingOccurrences(of: "(5, 4, 3, 3), }", with: "(99999999, 99999, 999999), }")
      try write(Array(whole[..<10]) + Array(huge.utf8).prefix(118) + whole[128...], to: path)
      expectError("too many bytes, but 180 follow") { try numPy(path) }
    }
  }

  @Test func damagedArchivesAreNoticed() throws {
    try withTemporaryDirectory { directory in
      for (name, images) in [("stored.npz", "images"), ("deflated.npz", "x")] {
        let path = "\(directory)/\(name)"
        let whole = Array(try content("\(arrays)/\(name)"))
        try write(Array(whole.dropLast(40)), to: path)
        expectError("is no ZIP file, or one that was cut off") { try numPy(path, images: images) }
        // Stored, this is one of the last images; the checksum tells. Deflated, it may be anything.
        var bytes = whole
        bytes[name == "stored.npz" ? 300 : 150] ^= 1
        try write(bytes, to: path)
        expectError("is damaged") {
          let source = try numPy(path, images: images)
          return try (0..<5).map { try source.image($0).pixels }
        }
      }
    }
  }

  @Test func hdf5Datasets() throws {
    try expectImages(hdf5("train/x", labels: "/train/y"), labels: labels, classes: digits)
    try expectImages(hdf5("channels_first", order: "nchw"))
    #expect(try hdf5("grey", order: "NHW").image(3).pixels == Array(Self.bytes[36..<48]))
    expectError("images.h5, /virtual: is spread over other files") { try hdf5("virtual") }
    expectError("images.h5, /none: not in the file; found there: /channels_first, /floats") {
      try hdf5("none")
    }
    expectError("images.h5, /train/z: not in the file (/train/x?); found there") { try hdf5("train/z") }
    expectError("images.h5, /grey: has the shape [5, 4, 3], expected [5]") {
      try hdf5("train/x", labels: "grey")
    }
    expectError("images.npy: H5Fopen failed") { try hdf5("x", file: "images.npy") }
    expectError("none.h5: cannot open it: No such file") { try hdf5("x", file: "none.h5") }
  }

  @Test(arguments: Split.allCases, ["", "/cifar-10-batches-bin"])
  func cifar10(split: Split, folder: String) throws {
    let source = try CIFAR10Source(directory: arrays + folder, split: split)
    let records = split == .train ? Array(0..<10) : [12]
    #expect(source.count == records.count && source.classNames.count == 10 && source.classNames[9] == "truck")
    for (index, record) in records.enumerated() {
      let image = try source.image(index)
      #expect(image.pixels == (0..<3072).map { UInt8(truncatingIfNeeded: $0 * 7 + record * 31) })
      #expect(image.label == Int32(record % 10))
    }
  }

  @Test func incompleteCIFAR10() throws {
    try withTemporaryDirectory { directory in
      let folder = "\(directory)/files"
      try FileManager.default.copyItem(atPath: "\(arrays)/cifar-10-batches-bin", toPath: folder)
      let open = { try CIFAR10Source(directory: folder, split: .train) }
      var bytes = Array(try content("\(folder)/data_batch_3.bin"))
      bytes[3073] = 10
      try write(bytes, to: "\(folder)/data_batch_3.bin")
      expectError("data_batch_3.bin: the label of image 1 is 10, expected 0 to 9") { try open().image(5) }
      truncate("\(folder)/data_batch_3.bin", 6000)
      expectError("data_batch_3.bin: has 6000 bytes, expected a multiple of 3073", open)
      for name in ["data_batch_3.bin", "data_batch_5.bin"] { unlink("\(folder)/\(name)") }
      expectError("lacks data_batch_3.bin, data_batch_5.bin of CIFAR-10's binary version", open)
      try write(Array("cat\n".utf8), to: "\(folder)/batches.meta.txt")
      expectError("batches.meta.txt: names 1 classes, expected 10") {
        try CIFAR10Source(directory: folder, split: .test)
      }
    }
  }
}

extension ArraySource {
  fileprivate func image(_ index: Int) throws -> (pixels: [UInt8], label: Int32) {
    let sample = try sample(index)
    return (sample.bytes[0], sample.bytes[1].elements(Int32.self)[0])
  }
}
