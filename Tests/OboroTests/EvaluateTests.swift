import Foundation
import NumericsTestSupport
import Pictures
import Safetensors
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

  /// Writes float32 in NumPy's format.
  ///
  /// - Parameter shape: nil for [count, width].
  private func write(_ rows: [[Float]], to path: String, shape: String? = nil) throws {
    let shape = shape ?? "\(rows.count), \(rows.first?.count ?? 0)"
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(shape)), }"
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

  /// Words and floating-point numbers of any number of channels; `prepare numpy` keeps the one, and may normalize the
  /// other.
  @Test func datasetsOfNumbersAreComparedByTheirValues() throws {
    let folder = try TemporaryDirectory()
    func values(_ seed: Int) -> [[Float]] {
      (0..<9).map { row in (0..<24).map { Float((row * 37 + $0 * 11 + seed * 5) % 19) / 4 - 1 } }
    }
    var paths: [String] = []
    for (seed, options) in [[], [], ["--normalize", "standard"]].enumerated() {
      let path = "\(folder.path)/\(seed)"
      try write(values(seed), to: "\(path).npy", shape: "9, 3, 4, 2")
      try write(values(seed), to: "\(path)-rows.npy")
      let made = try oboro(
        ["prepare", "numpy", "--source", "\(path).npy", "--layout", "NHWC", "--output", path] + options)
      #expect(made.exitStatus == 0, "\(made)")
      paths.append(path)
    }
    let (images, rows) = (
      try report(try evaluate(paths[0], paths[1], "--json")),
      try report(try evaluate("\(paths[0])-rows.npy", "\(paths[1])-rows.npy", "--json"))
    )
    for key in ["fid", "kid", "kid_error", "precision", "recall", "density", "coverage"] {
      #expect(images[key] as? Double == rows[key] as? Double)
    }
    expectFailure(
      try evaluate(paths[0], paths[2]), 65, "\(paths[0]): its images are normalized by other offsets")
    expectFailure(
      try evaluate(paths[0], Trial.path(), ranks: 2), 65, "its images are float32, those of")
    expectFailure(
      try evaluate(paths[0], paths[1], "--features", Self.inception), 65, "float32 with 2 channels")
  }

  /// What `clip_scores.py` computes with transformers: of pictures of any size and their captions.
  @Test func clipScoresAreThoseOfTransformers() throws {
    let clip = Fixture.url("evaluation/clip").path
    let pictures = Fixture.url("evaluation/clip-pictures").path
    let golden = try Fixture.safetensors("evaluation/clip")
    let captions = try JSONDecoder().decode(
      [String].self, from: Data((golden.metadata["captions"] ?? "").utf8))
    let folder = try TemporaryDirectory()
    let source = "\(folder.path)/source"
    try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
    for (index, caption) in captions.enumerated() {
      try Picture(width: 8, height: 8, channels: 1, samples: [UInt8](repeating: UInt8(index), count: 64))
        .writePNG(to: "\(source)/\(index).png")
      try caption.write(toFile: "\(source)/\(index).txt", atomically: true, encoding: .utf8)
    }
    let prepared = try oboro([
      "prepare", "images", "--source", source, "--output", "\(folder.path)/data", "--captions", "files",
    ])
    try #require(prepared.exitStatus == 0, "\(prepared)")
    let arguments = [
      "evaluate", "--generated", "\(pictures)/generated", "--reference", "\(pictures)/reference", "--clip",
      clip, "--captions", "\(folder.path)/data", "--features", Self.inception, "--json",
    ]
    let alone = try oboro(arguments)
    let values = try report(alone)
    for (key, name) in [
      ("clip_score", "score"), ("clip_score_error", "score_error"), ("cmmd", "cmmd"),
      ("cmmd_error", "cmmd_error"),
    ] {
      let (value, expected) = (try #require(values[key] as? Double), try golden.doubles(name)[0])
      #expect(abs(value - expected) < 1e-4 * abs(expected), "\(key): \(value), expected \(expected)")
    }
    #expect(values["clip_score_shuffled"] as? Double != values["clip_score"] as? Double)
    for ranks in [2, 4] { #expect(try oboro(arguments, ranks: ranks).output == alone.output) }

    // Without features for pictures of any size there is less to compare.
    let fewer = try oboro(arguments.filter { !["--features", Self.inception].contains($0) })
    #expect(try report(fewer)["cmmd"] as? Double == values["cmmd"] as? Double)
    #expect(!fewer.output.contains("fid") && fewer.errors.contains("is left out"), "\(fewer)")

    func fail(_ status: Int32, _ message: String, _ options: String...) throws {
      expectFailure(try oboro(["evaluate"] + options), status, message)
    }
    let generated = "\(pictures)/generated"
    try fail(
      64, "nothing says what the pictures of --generated show", "--generated", generated, "--clip", clip)
    try fail(
      64, "names a dataset of 8 samples, and --generated holds 6", "--generated", "\(pictures)/reference",
      "--clip", clip, "--captions", "\(folder.path)/data")
    try fail(
      65, "is no dataset with captions", "--generated", generated, "--clip", clip, "--captions", source)
    try fail(
      64, "--features compares with --reference", "--generated", generated, "--clip", clip, "--features",
      Self.inception)
    try fail(
      64, "--clip goes with --generated", "--checkpoint", generated, "--dataset", source, "--clip", clip)
    try fail(65, "\(source)", "--generated", generated, "--reference", generated, "--clip", source)
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
    for (options, fragment) in [
      (["--generated", grey], "Missing expected argument '--reference <path>'"),
      (["--checkpoint", grey], "Missing expected argument '--dataset <dir>'"),
      ([], "nothing to evaluate: give --generated and --reference, or --checkpoint and --dataset"),
      (["--generated", grey, "--dataset", grey], "not both"),
      (["--generated", grey, "--reference", grey, "--timesteps", "3"], "--timesteps goes with --checkpoint"),
      (["--checkpoint", grey, "--dataset", grey, "--steps", "3"], "--timesteps may be meant"),
      (["--checkpoint", grey, "--dataset", grey, "--sampler", "ddim"], "--sampler goes with the run"),
      (["--generated", grey, "--reference", grey, "--set", "training.steps=1"], "only keys of sampling"),
      (["--generated", grey, "--reference", grey, "--count", "9"], "--count is of no use"),
      (["--generated", grey, "--reference", grey, "--guidance", "2"], "--guidance is of no use"),
      (["--generated", grey, "--reference", grey, "--count", "0"], "--count must be at least 1, is 0"),
    ] {
      expectFailure(try oboro(["evaluate"] + options), 64, fragment)
    }

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

  // MARK: Of a model

  private static let model = ["--count", "3", "--timesteps", "4", "--json"]

  private func measure(
    _ checkpoint: String, _ dataset: String, _ options: [String] = model, ranks: Int? = nil
  )
    throws -> ProcessRun
  {
    try oboro(["evaluate", "--checkpoint", checkpoint, "--dataset", dataset] + options, ranks: ranks)
  }

  @Test func aModelIsMeasuredTheSameOnAnyRanks() throws {
    let (trial, dataset) = (try Reference.short.get(), try Trial.path(of: Trial.otherDataset))
    let alone = try measure(trial.run, dataset)
    let values = try report(alone)
    let losses = try #require(values["loss_by_timestep"] as? [Double])
    #expect(values["timesteps"] as? [Int] == [4, 9, 14, 19])
    #expect(losses.count == 4 && losses.allSatisfy { $0.isFinite && $0 > 0 })
    let terms = try #require(values["bits_per_dimension_by_timestep"] as? [Double])
    let prior = try #require(values["bits_per_dimension_prior"] as? Double)
    #expect(terms.count == 4 && terms.allSatisfy { $0.isFinite && $0 > 0 } && prior > 0)
    let total = try #require(values["bits_per_dimension"] as? Double)
    #expect(abs(total - terms.reduce(prior, +)) < 1e-9)
    #expect((values["dataset"] as? [String: Any])?["images"] as? Int == 3)
    #expect((values["checkpoint"] as? [String: Any])?["step"] as? Int == 8)

    for ranks in [2, 3] { #expect(try measure(trial.run, dataset, ranks: ranks).output == alone.output) }
    let threaded = try oboro(
      ["evaluate", "--checkpoint", trial.checkpoint(8), "--dataset", dataset] + Self.model,
      environment: ["OBORO_THREADS": "2"])
    // Of the same checkpoint, by another name.
    #expect(
      threaded.output.split(separator: "\n").dropFirst(3) == alone.output.split(separator: "\n").dropFirst(3))
    let other = try report(try measure(trial.run, dataset, Self.model + ["--seed", "1"]))
    #expect(other["loss_by_timestep"] as? [Double] != losses)
    let trained = try report(try measure(trial.run, dataset, Self.model + ["--weights", "model"]))
    #expect(trained["loss_by_timestep"] as? [Double] != losses)
  }

  /// In continuous time there are losses, and no bound.
  @Test func aModelInContinuousTimeHasLosses() throws {
    let trial = try Trial()
    try trial.trainToEnd(
      settings: [
        "diffusion={process: flow}", "training.steps=2", "sampling.every=0",
        "sampling.steps=3",
      ])
    let alone = try measure(trial.run, try Trial.path())
    let values = try report(alone)
    #expect(values["timesteps"] as? [Double] == [125, 375, 625, 875])
    let losses = try #require(values["loss_by_timestep"] as? [Double])
    #expect(losses.count == 4 && losses.allSatisfy { $0.isFinite && $0 > 0 })
    for key in ["bits_per_dimension", "bits_per_dimension_by_timestep", "bits_per_dimension_prior"] {
      #expect(values[key] is NSNull, "\(alone)")
    }
    #expect(try measure(trial.run, try Trial.path(), ranks: 2).output == alone.output)
    let table = try measure(trial.run, try Trial.path(), ["--count", "2", "--timesteps", "2"])
    #expect(table.output.contains("none: the time of the process flow is continuous"), "\(table)")
  }

  /// The table has the same numbers.
  @Test func aModelsTableNamesItsMeasures() throws {
    let run = try measure(
      try Reference.short.get().run, try Trial.path(), ["--count", "2", "--timesteps", "2"])
    #expect(run.exitStatus == 0, "\(run)")
    for word in ["bits per dimension", "loss", "timestep", "step of the checkpoint", " 8\n"] {
      #expect(run.output.contains(word), "\(run)")
    }
  }

  @Test func aModelThatCannotBeMeasuredIsNamed() throws {
    let (trial, dataset) = (try Reference.short.get(), try Trial.path())
    expectFailure(try measure(trial.run, "\(trial.path)/none"), 65, "\(trial.path)/none: does not exist")
    expectFailure(
      try measure("\(trial.path)/none", dataset, ranks: 2), 65,
      "\(trial.path)/none: there is no such checkpoint or run directory")
    expectFailure(
      try measure(trial.run, dataset, ["--timesteps", "21"], ranks: 2), 64, "at most the 20 of the model")
    expectFailure(
      try measure(trial.run, try Trial.path(of: Trial.colourDataset)), 64, "1 channels, these have 3")
  }

  // MARK: Of a run's images

  @Test func aRunsImagesAreThoseOfSample() throws {
    let (trial, dataset) = (try Reference.short.get(), try Trial.path())
    let folder = try TemporaryDirectory()
    let drawing = [
      "--count", "7", "--steps", "2", "--seed", "5", "--sampler", "ddim", "--set", "sampling.eta=0.5",
    ]
    let drawn = try oboro(
      ["sample", "--checkpoint", trial.run, "--output", "\(folder.path)/samples", "--gif"] + drawing)
    #expect(drawn.exitStatus == 0, "\(drawn)")
    // Without the grid and the animation that lie beside them.
    let written = try report(try evaluate("\(folder.path)/samples", dataset, "--json"))
    #expect((written["generated"] as? [String: Any])?["images"] as? Int == 7)
    for ranks in [nil, 2] {
      let run = try oboro(
        ["evaluate", "--generated", trial.run, "--reference", dataset, "--json"] + drawing, ranks: ranks)
      let direct = try report(run)
      for key in ["fid", "kid", "kid_error", "precision", "recall", "density", "coverage"] {
        #expect(direct[key] as? Double == written[key] as? Double)
      }
    }
    expectFailure(
      try evaluate(trial.run, dataset, "--steps", "21", ranks: 2), 64, "21 steps are not in 1...20")
  }
}
