import Foundation
import HDF5
import Pictures
import TestSupport
import Testing

/// `oboro prepare` of what users have.
@Suite struct PrepareTests {
  private let folder: TemporaryDirectory
  private var pictures: String { "\(folder.path)/flowers" }

  init() throws { folder = try TemporaryDirectory() }

  /// Writes PNG pictures into a folder for each of two classes.
  private func writePictures(_ count: Int, side: Int = 10) throws {
    for number in 0..<count {
      let path = "\(pictures)/\(number % 2 == 0 ? "rose" : "aster")/\(number).png"
      try FileManager.default.createDirectory(
        atPath: URL(filePath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
      try Picture(
        width: side, height: side, channels: 3,
        samples: (0..<side * side * 3).map { UInt8(truncatingIfNeeded: ($0 &+ number) &* 7919 >> 4) }
      ).writePNG(to: path)
    }
  }

  private func prepare(_ arguments: String..., output: String = "data") throws -> ProcessRun {
    try oboro(
      ["prepare", "images", "--source", pictures, "--output", "\(folder.path)/\(output)"] + arguments)
  }

  private func shard(_ directory: String) -> String { "\(folder.path)/\(directory)/train-00000-of-00001.h5" }

  @Test func aFolderOfPictures() throws {
    try writePictures(7)
    let run = try prepare("--size", "8", "--threads", "2")
    #expect(run.exitStatus == 0, "\(run)")
    let lines = ["flowers, split train", "7 images of 8 x 8 x 3", "2 classes: aster, rose", "1 shard"]
    for (line, expected) in zip(run.outputLines, lines) { #expect(line.contains(expected), "\(run)") }
    #expect(names(in: "\(folder.path)/data") == ["dataset.json", "train-00000-of-00001.h5"])
    // Trains.
    let trial = try Trial()
    let training = try trial.train(
      "model.channels=3", "training.steps=1", "sampling.every=0", dataset: "\(folder.path)/data")
    #expect(training.exitStatus == 0, "\(training)")
  }

  @Test func unreadablePicturesAreToldOfUpToTwenty() throws {
    try writePictures(4)
    for number in 0..<25 { try Data("x".utf8).write(to: URL(filePath: "\(pictures)/rose/bad-\(number).jpg")) }
    let run = try prepare()
    #expect(run.exitStatus == 0, "\(run)")
    #expect(run.errorLines.count { $0.hasPrefix("left out: \(pictures)/rose/bad-") } == 20, "\(run)")
    let list = "\(folder.path)/data/unreadable.txt"
    #expect(run.output.contains("25 could not be read and are left out: \(list)"), "\(run)")
    #expect(text(list).count { $0 == "\n" } == 25)

    let strict = try prepare("--strict", output: "strict")
    expectFailure(strict, 65, "\(pictures)/rose/bad-0.jpg: is no picture of a known format")
    #expect(!exists("\(folder.path)/strict"))
  }

  /// Relative to where the command runs, which is there; names of one character are names too.
  @Test(arguments: ["d", "e/f/", "./g"]) func theOutputIsMadeWithWhatLeadsThere(output: String) throws {
    try writePictures(1)
    let run = try oboro(
      ["prepare", "images", "--source", pictures, "--output", output], directory: folder.path)
    #expect(run.exitStatus == 0, "\(run)")
    #expect(exists("\(folder.path)/\(output)/dataset.json"))
  }

  @Test func wrongOptionsAreRefused() throws {
    try writePictures(1)
    for (arguments, message) in [
      (["--channels", "2"], "--channels must be 1 or 3, is 2"),
      (["--size", "0"], "--size must be height x width, such as 28x28, or one number for both, is 0"),
      (["--size", "8x8x8"], "is 8x8x8"), (["--background", "#12345"], "'#12345' is invalid"),
      (["--background", "256"], "'256' is invalid"),
      (["--shards", "2"], "--shards 2 are more than the 1 images"),
    ] {
      let run = try oboro(
        ["prepare", "images", "--source", pictures, "--output", "\(folder.path)/data"] + arguments)
      expectFailure(run, 64, message)
    }
    #expect(!exists("\(folder.path)/data"))
  }

  /// At whatever moment it is killed, no dataset is there, and the same command makes the same one as if it had not been.
  @Test(arguments: [0, 30, 90]) func killedAndStartedAgain(milliseconds: Int) throws {
    try writePictures(2, side: 400)
    for number in 0..<120 { link("\(pictures)/rose/0.png", "\(pictures)/aster/\(number)-link.png") }
    #expect(try prepare("--size", "16").exitStatus == 0)
    let killed = try oboro([
      "prepare", "images", "--source", pictures, "--output", "\(folder.path)/again", "--size", "16",
    ]) { process in
      #expect(process.wait(until: { exists("\(folder.path)/again") }))
      usleep(UInt32(milliseconds * 1000))
      process.send(SIGKILL)
    }
    #expect(killed.exitStatus == 128 + SIGKILL, "\(killed)")
    #expect(names(in: "\(folder.path)/again").allSatisfy { $0.hasPrefix(".") })
    expectFailure(try oboro(["inspect", "\(folder.path)/again"]), 65, "is no dataset")
    #expect(try prepare("--size", "16", output: "again").exitStatus == 0)
    #expect(names(in: "\(folder.path)/again") == names(in: "\(folder.path)/data"))
    #expect(try content(shard("again")) == content(shard("data")))
  }

  @Test func arraysOfOtherPrograms() throws {
    let arrays = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/arrays").path
    for (name, arguments) in [
      ("numpy", ["numpy", "--source", "\(arrays)/stored.npz"]),
      ("hdf5", ["hdf5", "--source", "\(arrays)/images.h5", "--images", "train/x", "--labels", "train/y"]),
    ] {
      let output = "\(folder.path)/\(name)"
      let run = try oboro(
        ["prepare"] + arguments + ["--name", "five", "--classes", "a,b, c", "--output", output])
      #expect(run.exitStatus == 0 && run.output.contains("five, split train"), "\(run)")
      #expect(run.output.contains("3 classes: a, b, c"), "\(run)")
    }
    #expect(try content(shard("numpy")) == content(shard("hdf5")))
    let run = try oboro(["prepare", "cifar10", "--source", arrays, "--output", "\(folder.path)/cifar"])
    #expect(run.exitStatus == 0 && run.output.contains("10 images of 32 x 32 x 3"), "\(run)")
    expectFailure(
      try oboro(["prepare", "numpy", "--source", "\(arrays)/labels.npy", "--output", "\(folder.path)/x"]), 65,
      "labels.npy: has the shape [5], expected [N, H, W]")
    #expect(!exists("\(folder.path)/x"))
  }
}

/// Fields of scientific programs.
@Suite struct PrepareFieldsTests {
  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()

  private func prepare(
    _ arguments: String..., file: String = "Fixtures/fields/weather.h5", in folder: TemporaryDirectory
  ) throws -> ProcessRun {
    let source = Self.fixtures.appending(path: file).path
    return try oboro(["prepare", "hdf5", "--source", source, "--output", "\(folder.path)/data"] + arguments)
  }

  @Test func areStackedNormalizedAndDescribed() throws {
    let folder = try TemporaryDirectory()
    let run = try prepare(
      "--variables", "u,t", "--normalize", "standard", "--labels", "labels/row", "--field", "condition=p",
      "--field", "caption=text", in: folder)
    #expect(run.exitStatus == 0, "\(run)")
    for line in [
      "6 images of 4 x 5 x 2", "images: image, float32 4 x 5 x 2, normalized (standard)",
      "conditions: condition, float32 4 x 5 x 1", "captions: caption, utf-8",
    ] {
      #expect(run.output.contains(line), "\(run)")
    }
    let inspection = try oboro(["inspect", "--verify", "--json", "\(folder.path)/data"])
    #expect(inspection.exitStatus == 0, "\(inspection)")
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(inspection.output.utf8)) as? [String: Any])
    let fields = try #require(object["fields"] as? [[String: Any]])
    #expect(fields.map { $0["name"] as? String } == ["images", "conditions", "captions", "labels"])
    #expect(fields[0]["variables"] as? [String] == ["u", "t"] && fields[0]["type"] as? String == "float32")
    #expect(fields[2]["shape"] as? [Int] == [] && fields[2]["role"] as? String == "caption")
  }

  /// Floating-point images are trained on as they are.
  @Test func areTrainedOn() throws {
    let folder = try TemporaryDirectory()
    let images = (0..<8 * 16 * 16).map { Float(sin(Double($0))) }
    let file = try HDF5.File(creating: "\(folder.path)/waves.h5")
    try file.root.createDataset("x", of: Float.self, shape: [8, 16, 16]).write(images)
    try file.close()
    let run = try oboro([
      "prepare", "hdf5", "--source", "\(folder.path)/waves.h5", "--images", "x", "--output",
      "\(folder.path)/data",
    ])
    #expect(run.exitStatus == 0 && run.output.contains("as they are"), "\(run)")
    let training = try Trial().train("training.steps=1", "sampling.every=0", dataset: "\(folder.path)/data")
    #expect(training.exitStatus == 0, "\(training)")
  }

  @Test func whatIsWrongIsNamed() throws {
    let folder = try TemporaryDirectory()
    for (arguments, status, message) in [
      (["--variables", "u,constant", "--normalize", "min-max"], Int32(65), "/constant: is constant, 7.5"),
      (["--images", "nan"], 65, "/nan: the value at [4, 2, 3] is missing"),
      (["--images", "uu"], 65, "/uu: not in the file (/u?)"),
      (["--images", "u", "--layout", "NCX"], 64, "--layout must have H and W"),
      (["--images", "u", "--variables", "u"], 64, "exclude each other"),
      (["--images", "u", "--field", "condition"], 64, "--field must be ROLE=NAME"),
      ([], 64, "--images or --variables"),
    ] {
      let source = Self.fixtures.appending(path: "Fixtures/fields/weather.h5").path
      let run = try oboro(
        ["prepare", "hdf5", "--source", source, "--output", "\(folder.path)/data"] + arguments)
      expectFailure(run, status, message)
    }
    for name in ["external", "virtual", "partly", "contiguous"] {
      let run = try prepare(
        "--images", "unstored/\(name)", "--layout", "HW", file: "HDF5Tests/Fixtures/storage.h5", in: folder)
      expectFailure(run, 65, "storage.h5, /unstored/\(name): ")
    }
    #expect(!exists("\(folder.path)/data"))
  }
}

/// What is altered without a trace in size or shape.
@Suite struct VerificationTests {
  private static let shard = "train-00001-of-00002.h5"

  /// A copy of the trials' dataset, with one bit of a pixel turned.
  private func alteredDataset(in trial: Trial) throws -> String {
    let dataset = "\(trial.path)/data"
    try copy(try Trial.path(), to: dataset)
    var bytes = try content("\(dataset)/\(Self.shard)")
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(filePath: "\(dataset)/\(Self.shard)"))
    return dataset
  }

  @Test(arguments: [nil, 2, 4]) func trainingVerifiesOnRequest(ranks: Int?) throws {
    let trial = try Trial()
    let dataset = try alteredDataset(in: trial)
    let run = try trial.train("dataset.verify=true", ranks: ranks, dataset: dataset)
    expectFailure(
      run, 65, "\(dataset): not what was written, by their SHA-256: \(Self.shard); make the dataset anew")
    #expect(!exists(trial.run))
    let good = try trial.train("dataset.verify=true", "training.steps=1", ranks: ranks)
    #expect(good.exitStatus == 0, "\(good)")
  }

  @Test func inspectVerifiesOnRequest() throws {
    let trial = try Reference.copyOfShort()
    let dataset = try alteredDataset(in: trial)
    #expect(try oboro(["inspect", dataset]).exitStatus == 0)
    expectFailure(
      try oboro(["inspect", "--verify", dataset]), 65, "\(dataset): not what was written", Self.shard)
    for path in [try Trial.path(), trial.run, trial.checkpoint(8)] {
      let run = try oboro(["inspect", "--verify", path])
      #expect(run.exitStatus == 0 && run.output.hasPrefix("kind: "), "\(run)")
    }
    truncate("\(trial.checkpoint(6))/model.h5", 5000)
    var bytes = try content("\(trial.checkpoint(2))/optimizer-00000-of-00001.h5")
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(filePath: "\(trial.checkpoint(2))/optimizer-00000-of-00001.h5"))
    expectFailure(
      try oboro(["inspect", "--verify", trial.run]), 65, "\(trial.checkpoint(6))/model.h5: has 5000 bytes",
      "\(trial.checkpoint(2))/optimizer-00000-of-00001.h5: was altered")
    expectFailure(
      try oboro(["inspect", "--verify", trial.configuration]), 65,
      "only datasets, checkpoints and run directories can be verified")
  }

  @Test func theLoaderIsMeasured() throws {
    let arguments = ["bench", "loader", "--dataset", try Trial.path(), "--batch", "7", "--steps", "30"]
    let run = try oboro(arguments + ["--json"])
    #expect(run.exitStatus == 0, "\(run)")
    let report = try #require(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    #expect(report["images"] as? Int == 210 && report["image_shape"] as? [Int] == [16, 16, 1])
    #expect(try #require(report["images_per_second"] as? Double) > 0)
    #expect(try #require(report["peak_resident_bytes"] as? Int) > 1 << 20)
    #expect(try oboro(arguments).output.contains("images a second"))
    expectFailure(try oboro(arguments + ["--batch", "0"]), 64, "--batch must be 1 to")
  }
}
