import Checkpoints
import Configuration
import DataParallel
import Datasets
import Diffusion
import Files
import Foundation
import Interchange
import Kernels
import Logging
import MPI
import Models
import Reporting
import Settings
import Tensors

extension Trainer {
  /// The arguments that a run is started with.
  public struct Start: Sendable {
    public let configurationFile: String
    public let overrides: [String]
    public let output: String
    public let allowsChanges: Bool
    /// Whether the dataset may differ from the one that the run was trained on.
    public let allowsOtherDataset: Bool
    public let threads: Int
    /// The file to which each rank's activity in the first steps is written, if any.
    public let trace: String?

    public init(
      configurationFile: String, overrides: [String] = [], output: String, allowsChanges: Bool = false,
      allowsOtherDataset: Bool = false, threads: Int, trace: String? = nil
    ) {
      self.configurationFile = configurationFile
      self.overrides = overrides
      self.output = output
      self.allowsChanges = allowsChanges
      self.allowsOtherDataset = allowsOtherDataset
      self.threads = threads
      self.trace = trace
    }
  }

  /// Prepares a run on all ranks: reads and checks the configuration and the dataset, creates or takes over the run
  /// directory, and restores the state of the newest valid checkpoint. Collective.
  ///
  /// - Parameter stopRequest: listens for signals, ideally since the process began.
  /// - Throws: `CollectiveFailure` with the problem of the lowest rank that failed; `MPIError`.
  public convenience init(
    _ start: Start, communicator: Communicator, console: Console, stopRequest: StopRequest
  ) throws {
    let rank = communicator.rank
    let directory = RunDirectory(start.output)

    let (configuration, dataset, heldOut, assignment) = try communicator.agree {
      let configuration = try TrainingConfiguration(
        completing: SettingsNode(contentsOfFile: start.configurationFile).applying(overrides: start.overrides)
      )
      let assignment = try MicrobatchAssignment(
        batchSize: configuration.training.batchSize, microbatches: configuration.training.microbatches,
        rank: rank,
        worldSize: communicator.size)
      let dataset = try ShardedDataset(directory: configuration.dataset.path)
      let heldOut =
        configuration.training.validationEvery > 0
        ? try ShardedDataset(directory: configuration.dataset.validationPath) : nil
      return (configuration, dataset, heldOut, assignment)
    }
    let latents = try RunLatents.load(configuration, dataset, on: communicator)
    let texts = try RunTexts.load(configuration, dataset, on: communicator)
    let perceptual = try RunPerceptualLoss.load(configuration, on: communicator)
    let base =
      configuration.frozenParameters == nil ? nil : try FrozenBase(configuration, on: communicator)
    try communicator.agree {
      guard rank == 0, base != nil, let path = configuration.base else { return }
      try BaseModel(path).require(latents?.space, texts?.frozen.space)
    }
    let task = try communicator.agree {
      let task = try RunTask(configuration, dataset, latents, texts, base, perceptual)
      if let heldOut { try task.check(heldOut: heldOut) }
      return task
    }
    let hosts = try communicator.allGather(communicator.hostName)
    let monitor = try RunMonitor(
      hosts: hosts, timeout: configuration.training.heartbeatTimeout, logPath: directory.log,
      communicator: communicator, console: console)
    try Self.requireSame(configuration, [dataset] + (heldOut.map { [$0] } ?? []), communicator)
    try communicator.agree {
      try dataset.check(part: rank, of: communicator.size)
      try heldOut?.check(part: rank, of: communicator.size)
    }
    let summary = ModelSummary(
      configuration.model, imageShape: task.inputShape, adapter: configuration.adapter?.adapter)
    try communicator.agree {
      let host = hosts[rank]
      try MemoryNeed(configuration, summary, assignment).require(
        ranks: hosts.count { $0 == host }, of: host)
    }
    if configuration.dataset.isVerified {
      if rank == 0 { console.print("reading all of \(dataset.directory) (dataset.verify)") }
      try communicator.agree { try dataset.verify(part: rank, of: communicator.size) }
    }

    let prepared = try communicator.agree {
      guard rank == 0 else { return nil as RunDirectory.Preparation? }
      // Check that the trace can be written before spending hours on the run.
      if let trace = start.trace { try WholeFile.checkWritable(trace) }
      return try directory.prepare(configuration, allowsChanges: start.allowsChanges) { owner in
        console.print(
          "oboro: \(owner) has not signed off in \(directory.path); waiting some seconds to see whether it lives"
        )
      }
    }
    let log = try communicator.agree {
      try RunLog(path: directory.log, rank: rank, console: console).logger("train")
    }
    let layout = configuration.trainedParameters
    let plan = configuration.training.bucketPlan(layout, worldSize: communicator.size)
    let state = ShardedState(configuration, layout: layout, plan: plan, rank: rank)
    let isResumed = try Self.resume(
      state, dataset, task, directory, allowsOtherDataset: start.allowsOtherDataset, communicator, log)
    let engine = Engine(threadCount: start.threads)
    if !isResumed { try Self.begin(state, configuration, task, engine: engine, communicator) }
    task.base?.tell(log, rank: rank)
    if prepared?.ownership.hasLocks == false {
      log.notice(
        "the file system of \(directory.path) has no locks: a second process that trains there is noticed by its signs of life in \(FolderOwnership.fileName)"
      )
    }
    if let differences = prepared?.differences, !differences.isEmpty {
      for difference in differences {
        log.notice("configuration changed", metadata: ["key": "\(difference)"])
      }
    }
    let peak = try communicator.allReduce(
      PeakArithmetic.flopsPerSecond(pool: engine.threads, rounds: 8), .sum)
    let report = try communicator.agree {
      // Not earlier: a run that cannot continue with the changes keeps its old configuration.
      if prepared?.differences.isEmpty == false { try directory.replaceConfiguration(configuration) }
      return rank == 0
        ? try TrainingReport(
          directory, configuration: configuration, startStep: state.step,
          flopsPerImage: summary.flops,
          console: console, log: log)
        : nil
    }
    log.info(
      "\(state.step == 0 ? "training" : state.step < configuration.training.steps ? "going on" : "nothing left to do")",
      metadata: [
        "parameters": "\(state.layout.valueCount)", "images": "\(dataset.count)",
        "step": "\(state.step)", "steps": "\(configuration.training.steps)",
        "ranks": "\(communicator.size)", "threads": "\(start.threads)",
        "gradient_bytes": "\(state.layout.flatCount * MemoryLayout<Float>.size)",
        "peak_gflops": "\(Int((peak * 1e-9).rounded()))",
      ])
    if communicator.rank == 0, let process = configuration.task.diffusion?.process as? DDPMProcess,
      process.schedule.remainingSignal > NoiseSchedule.noticeableSignal
    {
      let remains = String(format: "%.3f", process.schedule.remainingSignal)
      log.warning(
        "diffusion.schedule leaves \(remains) of the image (√ᾱ_T) at the last timestep, where samples start from noise alone: more timesteps, or diffusion.zero_terminal_snr, leave less"
      )
    }
    if !assignment.isExact {
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
    if configuration.training.precision == .bf16 && !ProductPrecision.hasBFloat16Products {
      log.notice("training.precision: this processor has no products of bf16, so factors stay float32")
    }
    let saving = try CheckpointSaving(
      configuration.checkpoint, in: directory, layout: layout, schema: state.schema, buckets: plan,
      communicator: communicator,
      threads: engine.threads, log: log)
    try self.init(
      configuration: configuration,
      task: task, dataset: dataset,
      validation: heldOut.map {
        Validation(
          $0, fields: task.fields, count: configuration.training.validationSamples,
          samplesPerPass: assignment.samples(of: 0).count,
          precision: configuration.training.precision)
      }, assignment: assignment, state: state, plan: plan, saving: saving,
      directory: directory,
      ownership: prepared?.ownership, engine: engine, communicator: communicator,
      report: report, log: log,
      stopRequest: stopRequest,
      announcement: StopAnnouncement(stopRequest, rank: rank, console: console), monitor: monitor,
      hosts: hosts, tracePath: start.trace)
  }

  /// Initialises the weights that depend on the run's base, if it has one. Collective.
  private static func begin(
    _ state: ShardedState, _ configuration: TrainingConfiguration, _ task: RunTask, engine: Engine,
    _ communicator: Communicator
  ) throws {
    func copy() -> ParameterBuffer {
      let weights = ParameterBuffer(count: state.layout.flatCount)
      weights.copy(from: state.weights)
      return weights
    }
    if let control = task.control {
      let weights = copy()
      try communicator.agree { try control.begin(weights, engine: engine) }
      state.begin(from: weights)
    } else if let section = configuration.adapter, let base = task.base {
      guard section.settings.isDecomposed else { return }
      let weights = copy()
      section.adapter.begin(weights, from: base.weights, of: configuration.model.parameters)
      if let text = section.text, let encoder = task.texts?.bound {
        text.adapter.begin(weights, from: encoder.weights, of: text.encoder.parameters)
      }
      state.begin(from: weights)
    } else if let inversion = configuration.inversion, let texts = task.texts {
      let weights = copy()
      inversion.table.set(try communicator.agree { try texts.beginning(inversion) }, in: weights)
      state.begin(from: weights)
    } else if configuration.base != nil, task.base == nil {
      try state.begin(from: FrozenBase(configuration, on: communicator).weights)
    }
    if configuration.task.diffusion?.trainedText != nil, let texts = task.texts {
      let weights = copy()
      texts.begin(weights)
      state.begin(from: weights)
    }
  }

  /// Throws unless all ranks have read the same configuration and datasets: files on different hosts may differ.
  /// Collective.
  private static func requireSame(
    _ configuration: TrainingConfiguration, _ datasets: [ShardedDataset], _ communicator: Communicator
  ) throws {
    let configurations = try communicator.allGather(configuration.resolved.json)
    let digests = try communicator.allGather(datasets.map(\.digest).joined(separator: " "))
    try communicator.agree {
      for (what, values) in [("configuration", configurations), ("dataset", digests)] {
        if values[communicator.rank] != values[0] {
          throw ReplicaError("rank \(communicator.rank) has another \(what) than rank 0")
        }
      }
    }
  }

  /// Restores the newest valid checkpoint, if there is one. Collective.
  ///
  /// - Returns: whether a checkpoint was restored.
  private static func resume(
    _ state: ShardedState, _ dataset: ShardedDataset, _ task: RunTask, _ directory: RunDirectory,
    allowsOtherDataset: Bool, _ communicator: Communicator, _ log: Logger
  ) throws -> Bool {
    let store = CheckpointStore(directory: directory.checkpoints)
    try communicator.agree { if communicator.rank == 0 { try store.removeLeftovers() } }
    let checkpoint = try store.restoreNewest(state, on: communicator) { checkpoint in
      try task.base?.requireSame(as: checkpoint)
      try task.latents?.requireSame(as: checkpoint)
      try task.texts?.requireSame(as: checkpoint)
      try task.perceptual?.requireSame(as: checkpoint)
      let digest = checkpoint.manifest.datasetDigest
      // Checkpoints with weights from elsewhere have no dataset digest.
      guard digest != dataset.digest && digest != "" else { return }
      guard allowsOtherDataset else {
        throw ReplicaError(
          "\(checkpoint.directory) was trained on another dataset than \(dataset.directory): give the old one, or "
            + "--allow-other-dataset")
      }
      log.notice(
        "dataset changed",
        metadata: [
          "directory": "\(dataset.directory)", "sha256": "\(dataset.digest)", "before": "\(digest)",
        ])
    } onDamage: { error in
      if communicator.rank == 0 { log.warning("checkpoint passed over", metadata: ["reason": "\(error)"]) }
    }
    return checkpoint != nil
  }
}
