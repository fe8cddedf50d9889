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
  private let optimizer: Optimizer
  private let gradient: FlatMemory
  private let allReduce: GradientAllReduce
  private let report: TrainingReport?
  private let log: Logger
  private let stopRequest: StopRequest
  private var branches: [FlatMemory] = []

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

      let ownLosses = sumGradients(of: batch)
      let waiting = Stopwatch()
      try allReduce(gradient)
      let (losses, reason) = try exchange(ownLosses)
      let communicationWait = waiting.seconds
      stopReason = reason

      // The mean over slices of equal size is the mean over the batch.
      let loss = SliceTree.sum(losses) / Double(share.slices)
      let norm = Optimizer.norm(
        of: gradient, layout: state.layout, slices: share.slices, threads: engine.threads)
      guard loss.isFinite && norm.isFinite else {
        throw NonFiniteError(step: state.step + 1, loss: loss, gradientNorm: norm)
      }
      optimizer.update(state, gradient: gradient, slices: share.slices, norm: norm, threads: engine.threads)

      var metrics = StepMetrics()
      metrics.step = state.step
      metrics.images = state.step * settings.batchSize
      metrics.loss = Float(loss)
      metrics.gradientNorm = Float(norm)
      metrics.learningRate = optimizer.learningRate(step: state.step)
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

  /// Computes the gradients of this rank's slices and leaves their sum in `gradient`; returns the slices' losses.
  private func sumGradients(of batch: Loader.Batch) -> [Double] {
    var losses: [Double] = []
    SliceTree.sum(share.own, into: gradient, branches: &branches, threads: engine.threads) {
      slice, gradient in
      losses.append(addGradient(of: slice, in: batch, to: gradient))
    }
    return losses
  }

  /// Forward and backward pass of one slice; returns its mean loss.
  private func addGradient(of slice: Int, in batch: Loader.Batch, to gradient: FlatMemory) -> Double {
    let tape = Tape(engine: engine, weights: state.weights, gradients: gradient)
    let samples = share.samples(of: slice)
    let first = samples.lowerBound - share.ownSamples.lowerBound
    let labels = configuration.model.classes?.trainingLabels(
      of: batch.labels[first..<first + samples.count], seed: configuration.training.seed, step: batch.step,
      samples: samples)
    return batch.images.withUnsafeBufferPointer { images in
      let examples = configuration.diffusion.examples(
        of: UnsafeBufferPointer(
          rebasing: images[first * dataset.imageSize..<(first + samples.count) * dataset.imageSize]),
        shape: [samples.count, dataset.height, dataset.width, dataset.channels],
        seed: configuration.training.seed,
        step: batch.step, samples: samples, on: tape)
      let prediction = configuration.model(
        examples.noisy, timesteps: examples.timesteps, labels: labels ?? samples.map { _ in nil })
      let loss = configuration.diffusion.loss(of: prediction, for: examples)
      tape.backward(from: prediction, gradient: loss.gradient)
      return loss.value
    }
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
    optimizer = Optimizer(configuration.optimizer, averageDecay: configuration.training.averageDecay)
    gradient = FlatMemory(count: state.layout.flatCount)
    allReduce = GradientAllReduce(
      communicator: communicator, count: state.layout.flatCount, threads: engine.threads)
  }
}

/// A loss or a gradient that is no number: nothing was updated with it.
public struct NonFiniteError: Error, CustomStringConvertible {
  let step: Int
  let loss: Double
  let gradientNorm: Double

  public var description: String {
    "step \(step): the loss is \(loss), the gradient's norm \(gradientNorm); the weights were not updated. "
      + "A lower optimizer.learning_rate, optimizer.warmup_steps or optimizer.clip_norm may help"
  }
}
