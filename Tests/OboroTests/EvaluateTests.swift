import Foundation
import Pictures
import TestSupport
import Testing

/// `oboro evaluate` between two sets of images or features.
@Suite struct EvaluateTests {
  /// Inception-v3 with a sixteenth of its channels, and random weights.
  private static let inception = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()
    .appending(path: "Fixtures/evaluation/inception-weights.safetensors").path

  private func evaluate(
    _ generated: String, _ reference: String, _ options: String..., ranks: Int? = nil, threads: Int = 1
  ) throws -> ProcessRun {
    try oboro(
      ["evaluate", "--generated", generated, "--reference", reference] + options, ranks: ranks,
      environment: ["OBORO_THREADS": "\(threads)"])
  }

  private func report(_ run: ProcessRun) throws -> [String: Any] {
    try #require(run.exitStatus == 0, "\(run)")
    return try #require(
      try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(run)")
  }

  /// A folder of pictures, one for each of `sizes`, whose samples are a formula.
  private func pictures(_ sizes: [(height: Int, width: Int)], channels: Int, seed: Int = 0) throws
    -> TemporaryDirectory
  {
    let folder = try TemporaryDirectory()
    for (index, size) in sizes.enumerated() {
      try Picture(
        width: size.width, height: size.height, channels: channels,
        samples: Self.samples(size.height * size.width * channels, index: index + 100 * seed)
      ).writePNG(to: "\(folder.path)/\(String(format: "%03d", index)).png")
    }
    return folder
  }

  private static func samples(_ count: Int, index: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 * 31 + index * 57) * ($0 + 7 * index + 3) / 5) }
  }

  /// Writes float32 [count, width] in NumPy's format.
  private func write(_ rows: [[Float]], to path: String) throws {
    var header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows.count), \(rows.first?.count ?? 0)), }"
    while (10 + header.utf8.count + 1) % 64 != 0 { header += " " }
    header += "\n"
    var data = Data(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count % 256), UInt8(header.utf8.count / 256)])
    data += Data(header.utf8)
    for value in rows.joined() { withUnsafeBytes(of: value.bitPattern.littleEndian) { data += Data($0) } }
    try data.write(to: URL(filePath: path))
  }

  @Test func pixelsOfDatasetsAreTheSameOnAnyRanks() throws {
    let sets = (try Trial.path(), try Trial.path(of: Trial.otherDataset))
    let alone = try evaluate(sets.0, sets.1, "--json")
    let values = try report(alone)
    for key in ["fid", "kid", "kid_error", "precision", "recall", "density", "coverage"] {
      #expect((values[key] as? Double)?.isFinite == true, "\(key)\n\(alone)")
    }
    #expect((values["generated"] as? [String: Any])?["features"] as? String == "pixels")
    #expect((values["reference"] as? [String: Any])?["width"] as? Int == 256)
    // 200 images of 256 pixels.
    #expect(alone.errors.contains("oboro: warning: \(sets.0) has 200 images for 256 features"), "\(alone)")
    for ranks in [1, 2, 4] {
      #expect(try evaluate(sets.0, sets.1, "--json", ranks: ranks).output == alone.output)
    }
    #expect(try evaluate(sets.0, sets.1, "--json", ranks: 2, threads: 2).output == alone.output)
    #expect(try evaluate(sets.0, sets.1, "--json", threads: 3).output == alone.output)
  }

  /// Pictures of any size, grey against colour.
  @Test func inceptionFeaturesAreTheSameOnAnyRanks() throws {
    let generated = try pictures((0..<9).map { (20 + $0, 30 - $0) }, channels: 3)
    let reference = try pictures([(16, 16)] + (0..<10).map { (40, 32 + $0) }, channels: 1, seed: 1)
    let arguments = (generated.path, reference.path)
    let alone = try evaluate(arguments.0, arguments.1, "--features", Self.inception, "--json")
    let values = try report(alone)
    #expect(
      (values["generated"] as? [String: Any])?["features"] as? String == "Inception-v3, \(Self.inception)")
    #expect((values["generated"] as? [String: Any])?["width"] as? Int == 128)
    for ranks in [1, 2, 4] {
      let run = try evaluate(arguments.0, arguments.1, "--features", Self.inception, "--json", ranks: ranks)
      #expect(run.output == alone.output, "\(run)")
    }
    let threaded = try evaluate(
      arguments.0, arguments.1, "--features", Self.inception, "--json", ranks: 2, threads: 2)
    #expect(threaded.output == alone.output)
  }

  /// Pixels are bytes divided by 255, in the order of the folder's names.
  @Test func pixelsAreWhatAnArrayOfThemIs() throws {
    let sizes = [(height: Int, width: Int)](repeating: (3, 4), count: 8)
    let (folder, other) = (try pictures(sizes, channels: 3), try pictures(sizes, channels: 3, seed: 1))
    let array = "\(folder.path)/pixels.npy"
    try write((0..<8).map { Self.samples(36, index: $0).map { Float($0) / 255 } }, to: array)
    let (images, given) = (
      try report(try evaluate(folder.path, other.path, "--json")),
      try report(try evaluate(array, other.path, "--json"))
    )
    for key in ["fid", "kid", "kid_error", "precision", "recall", "density", "coverage"] {
      #expect(images[key] as? Double == given[key] as? Double)
    }
    #expect((given["generated"] as? [String: Any])?["features"] as? String == "as given")
  }

  @Test func theTableNamesSetsAndMetrics() throws {
    let folder = try pictures([(height: Int, width: Int)](repeating: (4, 4), count: 8), channels: 1)
    let run = try evaluate(folder.path, folder.path)
    #expect(run.exitStatus == 0, "\(run)")
    for line in [
      "generated  \(folder.path)  pixels         8     16", "precision (k = 3)", "coverage (k = 5)",
    ] {
      #expect(run.output.contains(line), "\(run)")
    }
  }

  @Test func whatCannotBeEvaluatedIsNamed() throws {
    let (grey, odd) = (try Trial.path(), try Trial.path(of: Trial.oddDataset))
    let folder = try TemporaryDirectory()
    let array = "\(folder.path)/features.npy"
    let fine = (0..<8).map { row in (0..<4).map { Float(row * $0) } }
    try write(fine, to: array)

    expectFailure(
      try evaluate("\(folder.path)/none", grey), 65, "\(folder.path)/none: there is no such dataset")
    expectFailure(
      try evaluate(grey, odd, ranks: 2), 65,
      "\(grey): its features have 256 numbers, those of \(odd) 225")
    expectFailure(
      try evaluate(array, array, "--features", Self.inception), 64, "--features is of no use")
    expectFailure(
      try evaluate(grey, grey, "--features", "\(folder.path)/none.safetensors", ranks: 2), 74,
      "\(folder.path)/none.safetensors")
    let trial = try Reference.short.get()
    expectFailure(
      try evaluate(trial.run, grey), 65, "\(trial.run): is a run", "oboro sample --checkpoint \(trial.run)")
    expectFailure(
      try oboro(["evaluate", "--generated", grey]), 64, "Missing expected argument '--reference <path>'")

    var broken = fine
    broken[5][2] = .nan
    try write(broken, to: array)
    expectFailure(
      try evaluate(array, array, ranks: 2), 65, "\(array): row 5, column 2 of its features is nan")
    try write(Array(fine.prefix(5)), to: array)
    expectFailure(try evaluate(array, array), 65, "\(array): has 5 images, too few")
    try write([], to: array)
    expectFailure(try evaluate(array, array), 65, "\(array): is empty")

    let sizes = try pictures([(8, 8), (8, 8), (8, 9)], channels: 1)
    expectFailure(
      try evaluate(grey, sizes.path, ranks: 2), 65, "000.png has 8 x 8 pixels", "002.png 8 x 9", "--features")
    // Of several damaged pictures the first is named, whichever rank has it.
    let damaged = try pictures([(height: Int, width: Int)](repeating: (8, 8), count: 8), channels: 1)
    for index in [3, 7] { truncate("\(damaged.path)/00\(index).png", 60) }
    expectFailure(try evaluate(damaged.path, grey, threads: 2), 65, "003.png")
    expectFailure(try evaluate(damaged.path, grey, ranks: 2), 65, "003.png")
  }
}
