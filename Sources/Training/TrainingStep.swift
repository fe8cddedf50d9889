import DataParallel
import Diffusion
import Kernels
import MPI
import Models
import Tensors

/// What a training step computes, on all ranks of a communicator alike: the gradients of this rank's slices, their sum
/// over all ranks, the update.
final class TrainingStep {
  let state: RankState
  let share: SliceShare
  let engine: Engine
  /// What is told of every operation and phase; nil: nothing is measured.
  var profile: Profile?
  private let configuration: TrainingConfiguration
  /// [H, W, C].
  private let imageShape: [Int]
  private let optimizer: Optimizer
  private let communicator: Communicator
  private let gradient: FlatMemory
  private let gradientNorm: GradientNorm
  let exchange: GradientExchange
  private var branches: [FlatMemory] = []

  init(
    _ configuration: TrainingConfiguration, imageShape: [Int], state: RankState, plan: BucketPlan,
    share: SliceShare, engine: Engine, communicator: Communicator
  ) {
    self.configuration = configuration
    self.imageShape = imageShape
    self.state = state
    self.share = share
    self.engine = engine
    self.communicator = communicator
    optimizer = Optimizer(configuration.optimizer, averageDecay: configuration.training.averageDecay)
    gradient = FlatMemory(count: state.layout.flatCount)
    gradientNorm = GradientNorm(layout: state.layout, parts: state.parts)
    exchange = GradientExchange(communicator: communicator, plan: plan, threads: engine.threads)
  }

  /// Computes the gradients of this rank's slices and their sum; returns the slices' losses. While the last slice's
  /// backward pass runs, the parts of the sum that are complete are already on their way to other ranks. Collective.
  ///
  /// - Parameters:
  ///   - images: this rank's of the step, [n, H, W, C] in [-1, 1].
  ///   - labels: theirs, -1 for none.
  /// - Throws: `MPIError`.
  func sumGradients(images: [Float], labels: [Int32]) throws -> [Double] {
    var losses: [Double] = []
    try SliceTree.sum(share.own, into: gradient, branches: &branches, threads: engine.threads) {
      slice, gradient in
      losses.append(try addGradient(of: slice, images, labels, to: gradient))
    } lastLeaf: { slice, gradient, complete in
      func send(_ buckets: [Int]) throws {
        for bucket in buckets {
          complete(exchange.plan.buckets[bucket])
          try exchange.start(bucket, of: self.gradient)
        }
      }
      var readiness: BucketReadiness?
      let loss = try addGradient(of: slice, images, labels, to: gradient) { tape in
        readiness = BucketReadiness(
          exchange.plan, waitingFor: state.layout.trained.filter { tape.usedParameters.contains($0.offset) })
      } onStep: { completed in
        try send(readiness?.buckets(completedBy: completed) ?? [])
        try exchange.advance()
      }
      losses.append(loss)
      try send(readiness?.remainingBuckets() ?? [])
    }
    return losses
  }

  /// Waits until this rank's parts of the gradients are summed over all ranks. Collective.
  ///
  /// - Throws: `MPIError`.
  func sumOverRanks() throws {
    try profile.measure("reduce-scatter", .phase) { try exchange.finish() }
  }

  /// Updates this rank's parts of the state with the sum of the gradients, and gives all ranks all weights. Collective.
  ///
  /// - Parameter losses: of all slices.
  /// - Returns: the mean loss, the length of the mean gradient, and the learning rate that was used.
  /// - Throws: `NonFiniteError`, `MPIError`.
  func update(losses: [Double]) throws -> (loss: Double, gradientNorm: Double, learningRate: Double) {
    let (loss, norm) = try profile.measure("update", .phase) {
      // The mean over slices of equal size is the mean over the batch.
      let loss = SliceTree.sum(losses) / Double(share.slices)
      let norm = try gradientNorm(gradient, on: communicator, threads: engine.threads) / Double(share.slices)
      guard loss.isFinite && norm.isFinite else {
        throw NonFiniteError(step: state.step + 1, loss: loss, gradientNorm: norm)
      }
      optimizer.update(state, gradient: gradient, slices: share.slices, norm: norm, threads: engine.threads)
      return (loss, norm)
    }
    try profile.measure("all-gather", .phase) { try exchange.gather(state.weights) }
    return (loss, norm, optimizer.learningRate(step: state.step))
  }

  /// Forward and backward pass of one slice; returns its mean loss.
  ///
  /// - Parameters:
  ///   - onForward: called between the two.
  ///   - onStep: called during the backward pass, see `Tape.backward`.
  private func addGradient(
    of slice: Int, _ images: [Float], _ labels: [Int32], to gradient: FlatMemory,
    onForward: (Tape) -> Void = { _ in }, onStep: (_ completed: [Int]) throws -> Void = { _ in }
  ) throws -> Double {
    let (model, diffusion, seed) = (configuration.model, configuration.diffusion, configuration.training.seed)
    let tape = Tape(engine: engine, weights: state.weights, gradients: gradient, profile: profile)
    let samples = share.samples(of: slice)
    let first = samples.lowerBound - share.ownSamples.lowerBound
    let size = imageShape.reduce(1, *)
    let classLabels = model.classes?.trainingLabels(
      of: labels[first..<first + samples.count], seed: seed, step: state.step, samples: samples)
    let examples = profile.measure("noise", .phase) {
      images.withUnsafeBufferPointer { images in
        diffusion.examples(
          of: UnsafeBufferPointer(rebasing: images[first * size..<(first + samples.count) * size]),
          shape: [samples.count] + imageShape, seed: seed, step: state.step, samples: samples, on: tape)
      }
    }
    let prediction = profile.measure("forward", .group) {
      model(
        examples.noisy, timesteps: examples.timesteps,
        labels: classLabels ?? samples.map { _ in nil })
    }
    let loss = profile.measure("loss", .phase) { diffusion.loss(of: prediction, for: examples) }
    onForward(tape)
    try profile.measure("backward", .group) {
      try tape.backward(from: prediction, gradient: loss.gradient, onStep: onStep)
    }
    return loss.value
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
