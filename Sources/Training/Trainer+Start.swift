import Checkpoints
import Configuration
import DataParallel
import Datasets
import Files
import Foundation
import Kernels
import Logging
import MPI
import Models
import Reporting
import Settings
import Tasks
import Tensors

extension Trainer {
  /// What a run is started with.
  public struct Start: Sendable {
    public let configurationFile: String
    public let overrides: [String]
    public let output: String
    public let allowsChanges: Bool
    public let threads: Int
    /// Where to write what each rank did in the first steps, if anywhere.
    public let trace: String?

    public init(
      configurationFile: String, overrides: [String] = [], output: String, allowsChanges: Bool = false,
      threads: Int, trace: String? = nil
    ) {
      self.configurationFile = configurationFile
      self.overrides = overrides
      self.output = output
      self.allowsChanges = allowsChanges
      self.threads = threads
      self.trace = trace
    }
  }

  /// Prepares a run on all ranks: reads and checks the configuration and the dataset, makes or takes up the run
  /// directory, and takes the state of the newest good checkpoint. Collective.
  ///
  /// - Parameter stopRequest: what listens for signals, best since the process began.
  /// - Throws: `CollectiveFailure` with what was wrong on the lowest rank that failed; `MPIError`.
  public convenience init(
    _ start: Start, communicator: Communicator, console: Console, stopRequest: StopRequest
  ) throws {
    let rank = communicator.rank
    let directory = RunDirectory(start.output)

    let (configuration, dataset, share) = try communicator.agree {
      let configuration = try TrainingConfiguration(file: start.configurationFile, overrides: start.overrides)
      let share = try MicrobatchAssignment(
        batchSize: configuration.training.batchSize, microbatches: configuration.training.microbatches,
        rank: rank,
        worldSize: communicator.size)
      let dataset = try ShardedDataset(directory: configuration.dataset.path)
      _ = try dataset.requireImages()
      do {
        try configuration.model.check(
          height: dataset.height, width: dataset.width, channels: dataset.channels)
        try configuration.model.classes?.check(dataset)
      } catch {
        throw ModelError("\(dataset.directory): \(error)")
      }
      return (configuration, dataset, share)
    }
    let hosts = try communicator.allGather(communicator.hostName)
    let monitor = try RunMonitor(
      hosts: hosts, timeout: configuration.training.heartbeatTimeout, logPath: directory.log,
      communicator: communicator, console: console)
    try Self.requireSame(configuration, dataset, communicator)
    try communicator.agree { try dataset.check(part: rank, of: communicator.size) }
    if configuration.dataset.isVerified {
      try communicator.agree { try dataset.verify(part: rank, of: communicator.size) }
    }

    let prepared = try communicator.agree {
      rank == 0 ? try directory.prepare(configuration, allowsChanges: start.allowsChanges) : nil
    }
    let log = try communicator.agree {
      try RunLog(path: directory.log, rank: rank, console: console).logger("train")
    }
    let layout = configuration.model.parameters
    let plan = configuration.training.bucketPlan(layout, worldSize: communicator.size)
    let state = ShardedState(configuration.training, layout: layout, plan: plan, rank: rank)
    try Self.resume(state, dataset, directory, allowsChanges: start.allowsChanges, communicator, log)
    if let differences = prepared?.differences, !differences.isEmpty {
      for difference in differences {
        log.notice("configuration changed", metadata: ["key": "\(difference)"])
      }
    }
    let engine = Engine(threadCount: start.threads)
    let peak = try communicator.allReduce(
      PeakArithmetic.flopsPerSecond(pool: engine.threads, rounds: 8), .sum)
    let report = try communicator.agree {
      // Not before: a run that cannot go on with the changes keeps its configuration.
      if prepared?.differences.isEmpty == false { try directory.replaceConfiguration(configuration) }
      return rank == 0
        ? try TrainingReport(
          directory, configuration: configuration, startStep: state.step,
          peakImagesPerSecond: Self.peakImagesPerSecond(configuration, dataset, engine, flopsPerSecond: peak),
          console: console)
        : nil
    }
    log.info(
      "\(state.step == 0 ? "training" : state.step < configuration.training.steps ? "going on" : "nothing left to do")",
      metadata: [
        "parameters": "\(state.layout.valueCount)", "images": "\(dataset.count)",
        "step": "\(state.step)", "steps": "\(configuration.training.steps)",
        "ranks": "\(communicator.size)", "threads": "\(start.threads)",
      ])
    if !share.isExact {
      log.notice(
        "\(communicator.size) ranks are no power of two: sums between them may round differently than on one rank"
      )
    }
    let compression = configuration.training.gradientCompression
    if compression != .none && communicator.size > 1 {
      log.notice(
        "training.gradient_compression: gradients are rounded to \(compression.rawValue) between ranks, so results depend on the number of ranks"
      )
    }
    let saving = try CheckpointSaving(
      configuration.checkpoint, in: directory, layout: layout, buckets: plan, communicator: communicator,
      threads: engine.threads, log: log)
    try self.init(
      configuration: configuration, dataset: dataset, share: share, state: state, plan: plan, saving: saving,
      directory: directory,
      lock: prepared?.lock, engine: engine, communicator: communicator,
      report: report, log: log,
      stopRequest: stopRequest, monitor: monitor, hosts: hosts, tracePath: start.trace)
  }

  /// How many images a second could be trained if all arithmetic went at `flopsPerSecond`.
  private static func peakImagesPerSecond(
    _ configuration: TrainingConfiguration, _ dataset: ShardedDataset, _ engine: Engine,
    flopsPerSecond: Double
  ) -> Double {
    let summary = ModelSummary(configuration.model, imageShape: dataset.imageShape, engine: engine)
    return flopsPerSecond / Double(max(summary.forwardFlops + summary.backwardFlops, 1))
  }

  /// All ranks must have read the same: files on different hosts may differ. Collective.
  private static func requireSame(
    _ configuration: TrainingConfiguration, _ dataset: ShardedDataset, _ communicator: Communicator
  ) throws {
    let configurations = try communicator.allGather(configuration.resolved.json)
    let digests = try communicator.allGather(dataset.digest)
    try communicator.agree {
      for (what, values) in [("configuration", configurations), ("dataset", digests)] {
        if values[communicator.rank] != values[0] {
          throw ReplicaError("rank \(communicator.rank) has another \(what) than rank 0")
        }
      }
    }
  }

  /// Takes the state of the newest good checkpoint, if there is one. Rank 0 finds it. Collective.
  private static func resume(
    _ state: ShardedState, _ dataset: ShardedDataset, _ directory: RunDirectory, allowsChanges: Bool,
    _ communicator: Communicator, _ log: Logger
  ) throws {
    let store = CheckpointStore(directory: directory.checkpoints)
    let found = try communicator.agree {
      guard communicator.rank == 0 else { return "" }
      try store.removeLeftovers()
      return try store.newest { log.warning("checkpoint passed over", metadata: ["reason": "\($0)"]) }?
        .directory ?? ""
    }
    let path = try communicator.broadcast(found, root: 0)
    guard !path.isEmpty else { return }
    try communicator.agree {
      let checkpoint = try Checkpoint(opening: path)
      // Weights from elsewhere have seen none.
      let digest = checkpoint.manifest.datasetDigest
      if digest != dataset.digest && digest != "" && !allowsChanges {
        throw ReplicaError(
          "\(path) was trained on another dataset than \(dataset.directory): give the old one, or --allow-changes"
        )
      }
      try checkpoint.restore(state)
    }
  }
}
