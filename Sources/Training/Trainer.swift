import DataParallel
import Datasets
import Diffusion
import Files
import Foundation
import Kernels
import Logging
import MPI
import Models
import Reporting
import Settings
import Tensors

/// One training run, on all ranks of a communicator alike.
public final class Trainer {
  /// How a call of `train()` ended.
  public enum Ending: Equatable, Sendable {
    /// All steps are done.
    case finished
    /// Somebody asked for it; a checkpoint was saved.
    case stopped(reason: String)
  }

  public let state: TrainingState
  private let configuration: TrainingConfiguration
  private let dataset: ShardedDataset
  private let share: SliceShare
  private let engine: Engine
  private let communicator: Communicator
  private let directory: RunDirectory
  private let lock: FolderLock?
  private let checkpoints: CheckpointStore
  private let step: TrainingStep
  private let report: TrainingReport?
  private let log: Logger
  private let stopRequest: StopRequest

  /// Trains from the run's state to its last step, or until a stop is asked for. Collective.
  ///
  /// - Throws: what a rank could not do: `DatasetError`, `FileError`, `HDF5Error`, `MPIError`, `NonFiniteError`.
  public func train() throws -> Ending {
    let settings = configuration.training
    let loader = Loader(
      dataset: dataset, seed: settings.seed, batchSize: settings.batchSize, share: share.ownSamples,
      firstStep: state.step, horizontalFlip: configuration.dataset.flipsHorizontally)
    // The last state of progress stays on display, also above the message of an error.
    defer {
      report?.finish()
      loader.close()
    }
    var stopReason: String?

    while state.step < settings.steps && stopReason == nil {
      let start = Stopwatch()
      let batch = try loader.next()
      let dataWait = start.seconds

      let ownLosses = step.sumGradients(images: batch.images, labels: batch.labels)
      let waiting = Stopwatch()
      try step.sumOverRanks()
      let (losses, reason) = try exchange(ownLosses)
      let communicationWait = waiting.seconds
      stopReason = reason
      let update = try step.update(losses: losses)

      var metrics = StepMetrics()
      metrics.step = state.step
      metrics.images = state.step * settings.batchSize
      metrics.loss = Float(update.loss)
      metrics.gradientNorm = Float(update.gradientNorm)
      metrics.learningRate = update.learningRate
      metrics.seconds = start.seconds
      metrics.imagesPerSecond = Double(settings.batchSize) / metrics.seconds
      metrics.dataWaitSeconds = dataWait
      metrics.communicationWaitSeconds = communicationWait
      try report?.step(metrics)

      let isLast = state.step == settings.steps
      // The checkpoint first: who asks for a stop may not have the time for samples.
      if isLast || stopReason != nil || Self.isDue(configuration.checkpoint.every, at: state.step) {
        try saveCheckpoint()
      }
      if Self.isDue(configuration.sampling.every, at: state.step) { try writeSamples() }
    }
    guard let stopReason, state.step < settings.steps else { return .finished }
    return .stopped(reason: stopReason)
  }

  /// The losses of all slices, in their order, and why to stop if any rank was asked to. Collective.
  private func exchange(_ ownLosses: [Double]) throws -> (losses: [Double], stopReason: String?) {
    let reason = stopRequest.reason
    let all = try communicator.allGather(ownLosses + [reason == nil ? 0 : 1])
    let asked = all.firstIndex { $0.last == 1 }
    return (
      all.flatMap { $0.dropLast() },
      try asked.map { "\(try communicator.broadcast(reason ?? "", root: $0)) on rank \($0)" }
    )
  }

  /// Writes a grid of samples, each rank drawing its part of the images. Collective.
  private func writeSamples() throws {
    let sampling = ImageSampling(
      model: configuration.model,
      sampler: AncestralSampler(process: configuration.diffusion, seed: configuration.training.seed),
      weights: state.average, imageShape: dataset.imageShape, engine: engine)
    let images = try sampling.images(count: configuration.sampling.count, on: communicator)
    try communicator.agree {
      guard let images else { return }
      let path = directory.samples(step: state.step)
      try sampling.grid(sampling.pictures(images)).writePNG(to: path)
      log.info("samples written", metadata: ["step": "\(state.step)", "path": "\(path)"])
    }
  }

  /// Saves the state, which is the same on all ranks, from rank 0. Collective.
  private func saveCheckpoint() throws {
    try communicator.agree {
      guard communicator.rank == 0 else { return }
      try report?.synchronize()
      let path = try checkpoints.save(
        state,
        Checkpoint.Provenance(
          images: state.step * configuration.training.batchSize, imageShape: dataset.imageShape,
          datasetDigest: dataset.digest, configuration: configuration.resolved))
      log.info("checkpoint saved", metadata: ["step": "\(state.step)", "path": "\(path)"])
    }
  }

  private static func isDue(_ every: Int, at step: Int) -> Bool { every > 0 && step % every == 0 }

  init(
    configuration: TrainingConfiguration, dataset: ShardedDataset, share: SliceShare, state: TrainingState,
    directory: RunDirectory, lock: FolderLock?, engine: Engine, communicator: Communicator,
    report: TrainingReport?, log: Logger,
    stopRequest: StopRequest
  ) {
    self.configuration = configuration
    self.dataset = dataset
    self.share = share
    self.state = state
    self.directory = directory
    self.lock = lock
    self.engine = engine
    self.communicator = communicator
    self.report = report
    self.log = log
    self.stopRequest = stopRequest
    checkpoints = CheckpointStore(directory: directory.checkpoints, keep: configuration.checkpoint.keep)
    step = TrainingStep(
      configuration, imageShape: dataset.imageShape, state: state, share: share, engine: engine,
      communicator: communicator)
  }
}
