import Foundation
import TestSupport
import Testing

/// A folder with a configuration, to train in. The model and its images are tiny: a step takes some 20 ms.
struct Trial {
  let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
    try Self.configuration.write(toFile: configuration, atomically: true, encoding: .utf8)
  }

  var path: String { folder.path }
  var configuration: String { "\(path)/config.yaml" }
  /// The run directory that `train` uses unless told otherwise.
  var run: String { "\(path)/run" }

  static let configuration = """
    model: {kind: annotated-unet, dim: 8, dim_mults: [1, 2], channels: 1}
    diffusion: {timesteps: 20}
    training: {batch_size: 8, microbatches: 4, steps: 8, log_every: 1}
    checkpoint: {every: 2, keep: 0}
    sampling: {every: 4, count: 3}

    """

  /// Settings for one rank: a model some of whose gradients are deferred to the update, as one micro-batch allows.
  static let deferring = [
    "training.microbatches=1",
    "model={kind: resnet-unet, dim: 8, dim_mults: [1, 2, 12], channels: 1, groups: 4}",
  ]

  /// 200 grey images of 16 x 16 in two files, made once. Nobody may change them.
  static let dataset = prepared("--count", "200", "--size", "16", "--channels", "1", "--shards", "2")
  static let colourDataset = prepared("--count", "20", "--size", "16", "--channels", "3")
  static let oddDataset = prepared("--count", "20", "--size", "15", "--channels", "1")
  /// As `dataset`, with other images.
  static let otherDataset = prepared(
    "--count", "200", "--size", "16", "--channels", "1", "--shards", "2", "--seed", "1")

  private static func prepared(_ arguments: String...) -> Result<TemporaryDirectory, any Error> {
    Result {
      let folder = try TemporaryDirectory()
      let run = try oboro(["prepare", "shapes", "--output", "\(folder.path)/data"] + arguments)
      try #require(run.exitStatus == 0, "\(run)")
      return folder
    }
  }

  static func path(of dataset: Result<TemporaryDirectory, any Error> = dataset) throws -> String {
    "\(try dataset.get().path)/data"
  }

  /// Arguments of `oboro train`. Every `KEY=VALUE` of `settings` becomes a `--set`.
  func arguments(
    _ settings: [String] = [], dataset: String? = nil, output: String? = nil, options: [String] = []
  ) throws -> [String] {
    let all = ["dataset.path=\(try dataset ?? Self.path())"] + settings
    return ["train", "--config", configuration, "--output", output ?? run]
      + all.flatMap { ["--set", $0] } + options
  }

  /// Runs `oboro train`.
  func train(
    _ settings: String..., ranks: Int? = nil, threads: Int = 1, dataset: String? = nil, output: String? = nil,
    options: [String] = [], whileRunning: (RunningProcess) throws -> Void = { _ in }
  ) throws -> ProcessRun {
    try oboro(
      arguments(settings, dataset: dataset, output: output, options: options), ranks: ranks,
      environment: ["OBORO_THREADS": "\(threads)"], whileRunning: whileRunning)
  }

  /// Runs `oboro train` and expects that it gets to its end.
  func trainToEnd(
    _ more: String..., settings: [String] = [], ranks: Int? = nil, threads: Int = 1, dataset: String? = nil,
    options: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let settings = settings + more
    let run = try oboro(
      arguments(settings, dataset: dataset, options: options), ranks: ranks,
      environment: ["OBORO_THREADS": "\(threads)"])
    #expect(run.exitStatus == 0 && !run.timedOut, "\(run)", sourceLocation: sourceLocation)
  }

  /// A checkpoint's directory.
  func checkpoint(_ step: Int) -> String { "\(run)/checkpoints/\(stepName(step))" }

  var record: RunRecord { get throws { try RunRecord(run) } }
  var log: String { text("\(run)/log.txt") }
  /// How many steps the metrics tell of so far.
  var loggedSteps: Int { text("\(run)/metrics.jsonl").count { $0 == "\n" } }
}

func stepName(_ step: Int) -> String {
  "step-" + String(repeating: "0", count: 8 - "\(step)".count) + "\(step)"
}

/// All of a run that must be the same however it was run: metrics without times, and every byte of every other file.
struct RunRecord {
  /// The beginning of each line of metrics, digits as they stand there.
  let metrics: [String]
  /// By path in the run directory.
  let files: [String: Data]
  let latest: String

  init(_ run: String) throws {
    metrics = text("\(run)/metrics.jsonl").split(separator: "\n").map { line in
      line.firstRange(of: ", \"seconds\"").map { String(line[..<$0.lowerBound]) } ?? String(line)
    }
    var files: [String: Data] = [:]
    for name in FileManager.default.enumerator(atPath: run)?.compactMap({ $0 as? String }) ?? []
    where !["metrics.jsonl", "log.txt", "checkpoints/latest"].contains(name)
      && !name.hasPrefix("tensorboard/")
    {
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: "\(run)/\(name)", isDirectory: &isFolder)
      if !isFolder.boolValue { files[name] = try content("\(run)/\(name)") }
    }
    self.files = files
    latest = try FileManager.default.destinationOfSymbolicLink(atPath: "\(run)/checkpoints/latest")
  }

  /// Expects that `self`, a run that was stopped and taken up, came to the same as `other`. It may hold checkpoints of
  /// steps that it was stopped at.
  func expectSame(as other: RunRecord, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(metrics == other.metrics, sourceLocation: sourceLocation)
    #expect(latest == other.latest, sourceLocation: sourceLocation)
    #expect(!other.files.isEmpty, sourceLocation: sourceLocation)
    for (name, bytes) in other.files {
      #expect(files[name] == bytes, "\(name) differs", sourceLocation: sourceLocation)
    }
    let more = Set(files.keys).subtracting(other.files.keys).filter { !$0.hasPrefix("checkpoints/step-") }
    #expect(more.isEmpty, sourceLocation: sourceLocation)
  }

  /// One column of the metrics.
  func column(_ name: String) throws -> [Double] {
    try metrics.map { line in
      let object = try JSONSerialization.jsonObject(with: Data("\(line)}".utf8)) as? [String: Any]
      return try #require(object?[name] as? Double)
    }
  }
}

/// Runs that others are compared with, each made once: one process, one thread, never stopped.
enum Reference {
  /// 8 steps.
  static let short = Result {
    let trial = try Trial()
    try trial.trainToEnd()
    return trial
  }

  /// The settings of a run that leaves time to do something to it.
  static let longSteps = 360
  static let longSettings = [
    "training.steps=\(longSteps)", "checkpoint.every=\(longInterval)", "sampling.every=0",
  ]
  /// Steps between its checkpoints.
  static let longInterval = 15

  static let long = Result {
    let trial = try Trial()
    let run = try oboro(trial.arguments(longSettings))
    try #require(run.exitStatus == 0, "\(run)")
    return trial
  }

  /// A copy of the short run, for a test to spoil.
  static func copyOfShort() throws -> Trial {
    let trial = try Trial()
    try copy(try short.get().run, to: trial.run)
    return trial
  }
}
