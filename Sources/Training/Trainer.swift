import Checkpoints
import Configuration
import DataParallel
import Datasets
import Files
import Foundation
import Generation
import Kernels
import Logging
import MPI
import Models
import Reporting
import Settings
import Tensors

/// One training run, executed identically on all ranks of a communicator.
public final class Trainer {
  /// How a call of `train()` ended.
  public enum Ending: Equatable, Sendable {
    /// All steps are complete.
    case finished
    /// A stop was requested; a checkpoint was saved.
    case stopped(reason: String)
  }

  public let state: ShardedState
  public let configuration: TrainingConfiguration
  private let task: RunTask
  private let dataset: ShardedDataset
  private let assignment: MicrobatchAssignment
  private let engine: Engine
  private let communicator: Communicator
  private let directory: RunDirectory
  private let ownership: FolderOwnership?
  private let saving: CheckpointSaving
  private let step: TrainingStep
  private let validation: Validation?
  private let report: TrainingReport?
  private let log: Logger
  private let stopRequest: StopRequest
  private let monitor: RunMonitor
  private let announcement: StopAnnouncement
  private let replicaCheck: ReplicaCheck
  private let fault = TestFault()
  private let hosts: [String]
  private let tracePath: String?

  /// Trains from the run's current state to its last step, or until a stop is requested. Collective.
  ///
  /// - Throws: the error of a rank that failed: `DatasetError`, `FileError`, `HDF5Error`, `MPIError`, `NonFiniteError`.
  public func train() throws -> Ending {
    do {
      let ending = try trainSteps()
      monitor.enter(.saving, step: state.step)
      try saving.finish()
      monitor.enter(.finishing, step: state.step)
      return ending
    } catch {
      // A checkpoint begun before all ranks failed together is valid, and must not be lost.
      if error is CollectiveFailure || communicator.size == 1 { try? saving.finish() }
      throw error
    }
  }

  private func trainSteps() throws -> Ending {
    let settings = configuration.training
    let loader = Loader(
      dataset: dataset, fields: task.fields, seed: settings.seed, batchSize: settings.batchSize,
      share: assignment.ownSamples,
      firstStep: state.step, horizontalFlip: configuration.dataset.flipsHorizontally)
    // Keep the final progress visible, even above an error message.
    defer {
      report?.finish()
      loader.close()
    }
    var stopReason: String?
    var stragglers = StragglerDetector(share: settings.stragglerShare, hosts: hosts)
    var trace = try tracePath.map { try TrainingTrace(path: $0, from: state.step, communicator, log) }
    var skipped = SkippedSteps(limit: settings.maxSkippedSteps)
    let running = Stopwatch()
    var waits = (data: 0.0, communication: 0.0)
    step.onWeightsAwaited = { [monitor, state] in
      monitor.enter($0 ? .gathering : .computing, step: state.step + 1)
    }
    if let reason = try drawMissedSamples() { return .stopped(reason: reason) }

    while state.step < settings.steps && stopReason == nil {
      let start = Stopwatch()
      announcement.begin(step: state.step + 1)
      step.profile = trace?.profile
      step.communicationWait = 0
      monitor.enter(.reading, step: state.step + 1)
      fault?.hold(on: communicator.rank, step: state.step + 1)
      let batch = try step.profile.measure("data", .phase) { try loader.next() }
      let dataWait = start.seconds

      monitor.enter(.computing, step: state.step + 1)
      let ownLosses = try step.sumGradients(batch)
      let computing = start.seconds - dataWait - step.communicationWait
      monitor.enter(.exchanging, step: state.step + 1)
      try step.sumOverRanks()
      let exchanging = Stopwatch()
      let (losses, reason, times) = try exchange(
        ownLosses,
        RankTimes(computing: computing, dataWait: dataWait, communicationWait: step.communicationWait))
      let communicationWait = step.communicationWait + exchanging.seconds
      stopReason = reason
      waits.data += dataWait
      waits.communication += communicationWait

      monitor.enter(.updating, step: state.step + 1)
      if let update = try step.update(loss: losses.total) {
        skipped.end()
        var metrics = StepMetrics()
        metrics.step = state.step
        metrics.images = state.step * settings.batchSize
        metrics.loss = Float(losses.total)
        metrics.parts = zip(task.task.lossNames, losses.parts).map { .init(name: $0, value: Float($1)) }
        metrics.gradientNorm = Float(update.gradientNorm)
        metrics.learningRate = update.learningRate
        metrics.seconds = start.seconds
        metrics.imagesPerSecond = Double(settings.batchSize) / metrics.seconds
        metrics.dataWaitSeconds = dataWait
        metrics.communicationWaitSeconds = communicationWait
        metrics.validationLoss = try validationLoss()
        monitor.enter(.recording, step: state.step)
        try report?.step(metrics)
      } else {
        try skip(batch, &skipped)
      }
      if let found = stragglers.add(
        times, stepSeconds: start.seconds, isDue: Self.isDue(settings.logEvery, at: state.step))
      {
        log.notice("slow rank", metadata: found)
      }

      // Checkpoint first, and complete it before sampling: a requested stop may not leave time for samples.
      let isLast = state.step == settings.steps
      if isLast { try requireUpdates(skipped) }
      let isSaving = isLast || stopReason != nil || Self.isDue(configuration.checkpoint.every, at: state.step)
      if isSaving {
        monitor.enter(.saving, step: state.step)
        try saveCheckpoint(isLast: isLast || stopReason != nil)
      }
      try trace?.endStep(state.step, isLast: isLast || stopReason != nil, communicator)
      if stopReason == nil, task.hasPreview, Self.isDue(configuration.sampling.every, at: state.step) {
        monitor.enter(.saving, step: state.step)
        try saving.finish()
        monitor.enter(.drawing, step: state.step)
        if let reason = try writeSamples() {
          // The next start generates them.
          monitor.enter(.saving, step: state.step)
          if !isSaving { try saveCheckpoint(isLast: true) }
          return .stopped(reason: reason)
        }
      }
    }
    try logWaits(waits.data, waits.communication, of: running.seconds)
    guard let stopReason, state.step < settings.steps else { return .finished }
    return .stopped(reason: stopReason)
  }

  /// The loss on held-out samples, if due at this step. Collective.
  private func validationLoss() throws -> Float? {
    guard let validation, Self.isDue(configuration.training.validationEvery, at: state.step) else {
      return nil
    }
    try step.exchange.finishGathering()
    let loss = try validation.loss(of: task.task, weights: state.weights, engine: engine, on: communicator) {
      monitor.enter(.validating, step: state.step)
    }
    return Float(loss)
  }

  /// Logs a skipped step, or gives up after too many. Collective.
  private func skip(_ batch: Loader.Batch, _ skipped: inout SkippedSteps) throws {
    let microbatches = try step.nonFiniteMicrobatches(batch)
    try communicator.agree {
      let problem = try skipped.add(
        step: state.step, microbatches: microbatches, microbatchesPerRank: assignment.own.count)
      log.warning("step skipped", metadata: ["step": "\(state.step)", "reason": "\(problem)"])
    }
  }

  /// Throws if every step was skipped, in which case the run has trained nothing. Collective.
  ///
  /// - Throws: `CollectiveFailure` of a `NonFiniteError`; `MPIError`.
  private func requireUpdates(_ skipped: SkippedSteps) throws {
    // The second moments become non-zero at the first successful step.
    guard skipped.count > 0,
      try communicator.allReduce(state.secondMoment.isZero ? 0 : 1, .max) == 0
    else { return }
    try communicator.agree { throw NonFiniteError.nothingTrained(steps: state.step) }
  }

  /// Exchanges the step's results between ranks: the mean losses over the batch, a stop reason if any rank was asked to
  /// stop, and each rank's times; also advances the checkpoint being written, and compares the ranks' weights when that
  /// is due. Collective.
  ///
  /// - Throws: `CollectiveFailure` naming the ranks whose weights differ, or that could not write; `MPIError`.
  private func exchange(_ ownLosses: GradientAccumulation.Losses, _ ownTimes: RankTimes) throws
    -> (losses: MeanLosses, stopReason: String?, times: [RankTimes])
  {
    let reason = stopRequest.reason
    let isCompared =
      communicator.size > 1 && Self.isDue(configuration.training.replicaCheckEvery, at: state.step)
    // Split into halves, each of which a Double represents exactly.
    let digest = isCompared ? step.weightsDigest() : 0
    let notes = [
      Double(saving.progress.rawValue), Double(digest >> 32), Double(digest & 0xFFFF_FFFF),
      reason == nil ? 0 : 1,
    ]
    let own = MeanLosses.numbers(ownLosses)
    let all = try communicator.allGather(own + ownTimes.numbers + notes)
    if isCompared {
      let digests = all.map { UInt64($0[$0.count - 3]) << 32 | UInt64($0[$0.count - 2]) }
      // All ranks see the same digests, so either all of them enter the collective or none does.
      if digests.contains(where: { $0 != digests[0] }) {
        try communicator.agree { try replicaCheck(digests, step: state.step + 1) }
      }
    }
    try saving.advance(all.compactMap { CheckpointSaving.Progress(rawValue: Int($0[$0.count - 4])) })
    let asked = all.firstIndex { $0.last == 1 }
    return (
      MeanLosses(all.flatMap { $0.prefix(own.count) }, microbatches: assignment.microbatches),
      try asked.map { "\(try communicator.broadcast(reason ?? "", root: $0)) on rank \($0)" },
      all.map { RankTimes(numbers: $0.dropFirst(own.count)) }
    )
  }

  /// Writes a grid of samples, of which each rank generates a part. Collective.
  ///
  /// - Returns: the reason if a stop was requested before the samples were complete; nil otherwise.
  private func writeSamples() throws -> String? {
    announcement.draw()
    try step.exchange.finishGathering()
    let weights = try state.gatheredEMA(by: step.exchange)
    let preview = try communicator.agree { try task.preview(weights: weights, engine: engine) }
    let count = task.previewCount
    let own = ImageSampling.part(of: count, rank: communicator.rank, worldSize: communicator.size)
    let images: [Float]?
    do {
      var stop = SharedStop(
        stopRequest, steps: preview.steps(count: count, worldSize: communicator.size), on: communicator)
      let drawn = try preview.drawn(own) { try stop.check() }
      try stop.finish()
      images = try communicator.gather(drawn).map { $0.flatMap { $0 } }
    } catch let stopped as SharedStop.Stopped {
      return stopped.reason
    }
    guard let images else { return nil }
    let path = directory.samples(step: state.step)
    do {
      try preview.grid(images).writePNG(to: path)
      report?.samples(path, step: state.step)
      log.info("samples written", metadata: ["step": "\(state.step)", "path": "\(path)"])
    } catch {
      // Samples can be regenerated from a checkpoint; trained weights cannot.
      log.warning("samples not written", metadata: ["step": "\(state.step)", "reason": "\(error)"])
    }
    if case .diffusion = configuration.task {
      do {
        try RunSpectra(dataset)?.spectra(of: images).write(to: directory.spectra(step: state.step))
      } catch {
        log.warning("spectra not written", metadata: ["step": "\(state.step)", "reason": "\(error)"])
      }
    }
    return nil
  }

  /// Logs how long each rank has waited for data and for other ranks. Collective.
  private func logWaits(_ data: Double, _ communication: Double, of seconds: Double) throws {
    let all = try communicator.allGather([data, communication])
    func list(_ numbers: [Double]) -> String {
      numbers.map { String(format: "%.1f", $0) }.joined(separator: ",")
    }
    log.info(
      "waits",
      metadata: [
        "seconds": "\(list([seconds]))", "data_seconds": "\(list(all.map { $0[0] }))",
        "communication_seconds": "\(list(all.map { $0[1] }))",
      ])
  }

  /// Generates the samples of the step that the run resumes from, if the run ended between writing its checkpoint and
  /// its samples. Collective.
  ///
  /// - Returns: as `writeSamples`.
  private func drawMissedSamples() throws -> String? {
    guard state.step > 0, task.hasPreview, Self.isDue(configuration.sampling.every, at: state.step) else {
      return nil
    }
    let isThere = FileManager.default.fileExists(atPath: directory.samples(step: state.step))
    guard try communicator.broadcast(isThere ? 1 : 0) == 0 else { return nil }
    monitor.enter(.drawing, step: state.step)
    return try writeSamples()
  }

  /// Starts saving the state of all ranks. Collective.
  private func saveCheckpoint(isLast: Bool) throws {
    try communicator.agree {
      if let usurper = ownership?.usurper { throw RunDirectoryError.inUse(directory.path, by: usurper) }
    }
    try step.exchange.finishGathering()
    try saving.start(
      state,
      Checkpoint.Provenance(
        images: state.step * configuration.training.batchSize, imageShape: task.inputShape,
        datasetDigest: dataset.digest, classNames: dataset.classNames, baseDigest: task.base?.digest,
        field: try task.fieldDescription(),
        conditionFields: task.conditions?.descriptions(of: dataset) ?? [], latents: task.latents?.space,
        texts: task.texts?.frozen.space, perceptualDigest: task.perceptual?.digest,
        configuration: configuration.resolved),
      // The metrics of its steps would not be rewritten after resuming from it.
      obstacle: report?.failure, isLast: isLast)
  }

  private static func isDue(_ every: Int, at step: Int) -> Bool { every > 0 && step % every == 0 }

  init(
    configuration: TrainingConfiguration, task: RunTask, dataset: ShardedDataset,
    validation: Validation?, assignment: MicrobatchAssignment,
    state: ShardedState,
    plan: BucketPlan, saving: CheckpointSaving,
    directory: RunDirectory, ownership: FolderOwnership?, engine: Engine, communicator: Communicator,
    report: TrainingReport?, log: Logger,
    stopRequest: StopRequest, announcement: StopAnnouncement, monitor: RunMonitor, hosts: [String],
    tracePath: String?
  ) throws {
    self.configuration = configuration
    self.dataset = dataset
    self.validation = validation
    self.assignment = assignment
    self.state = state
    self.directory = directory
    self.ownership = ownership
    self.engine = engine
    self.communicator = communicator
    self.report = report
    self.log = log
    self.stopRequest = stopRequest
    self.monitor = monitor
    self.announcement = announcement
    self.hosts = hosts
    self.tracePath = tracePath
    replicaCheck = ReplicaCheck(hosts: hosts)
    self.saving = saving
    self.task = task
    step = try TrainingStep(
      configuration, task: task.task, state: state, plan: plan, assignment: assignment, engine: engine,
      communicator: communicator)
  }
}
