import DataParallel
import Diffusion
import Kernels
import MPI
import Models
import Tensors

/// What a training step computes, on all ranks of a communicator alike: the gradients of this rank's slices, their sum
/// over all ranks, the update.
final class TrainingStep {
  let state: TrainingState
  let share: SliceShare
  let engine: Engine
  /// What is told of every operation and phase; nil: nothing is measured.
  var profile: Profile?
  private let configuration: TrainingConfiguration
  /// [H, W, C].
  private let imageShape: [Int]
  private let optimizer: Optimizer
  private let gradient: FlatMemory
  private let allReduce: GradientAllReduce
  private var branches: [FlatMemory] = []

  init(
    _ configuration: TrainingConfiguration, imageShape: [Int], state: TrainingState, share: SliceShare,
    engine: Engine, communicator: Communicator
  ) {
    self.configuration = configuration
    self.imageShape = imageShape
    self.state = state
    self.share = share
    self.engine = engine
    optimizer = Optimizer(configuration.optimizer, averageDecay: configuration.training.averageDecay)
    gradient = FlatMemory(count: state.layout.flatCount)
    allReduce = GradientAllReduce(
      communicator: communicator, count: state.layout.flatCount, threads: engine.threads)
  }

  /// Computes the gradients of this rank's slices and their sum; returns the slices' losses.
  ///
  /// - Parameters:
  ///   - images: this rank's of the step, [n, H, W, C] in [-1, 1].
  ///   - labels: theirs, -1 for none.
  func sumGradients(images: [Float], labels: [Int32]) -> [Double] {
    var losses: [Double] = []
    SliceTree.sum(share.own, into: gradient, branches: &branches, threads: engine.threads) {
      slice, gradient in
      losses.append(addGradient(of: slice, images, labels, to: gradient))
    }
    return losses
  }

  /// Sums the gradients of all ranks. Collective.
  ///
  /// - Throws: `MPIError`.
  func sumOverRanks() throws {
    try profile.measure("all-reduce", .phase) { try allReduce(gradient) }
  }

  /// Updates the state with the sum of the gradients.
  ///
  /// - Parameter losses: of all slices.
  /// - Returns: the mean loss, the length of the mean gradient, and the learning rate that was used.
  /// - Throws: `NonFiniteError`.
  func update(losses: [Double]) throws -> (loss: Double, gradientNorm: Double, learningRate: Double) {
    try profile.measure("update", .phase) {
      // The mean over slices of equal size is the mean over the batch.
      let loss = SliceTree.sum(losses) / Double(share.slices)
      let norm = Optimizer.norm(
        of: gradient, layout: state.layout, slices: share.slices, threads: engine.threads)
      guard loss.isFinite && norm.isFinite else {
        throw NonFiniteError(step: state.step + 1, loss: loss, gradientNorm: norm)
      }
      optimizer.update(state, gradient: gradient, slices: share.slices, norm: norm, threads: engine.threads)
      return (loss, norm, optimizer.learningRate(step: state.step))
    }
  }

  /// Forward and backward pass of one slice; returns its mean loss.
  private func addGradient(
    of slice: Int, _ images: [Float], _ labels: [Int32], to gradient: FlatMemory
  ) -> Double {
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
    profile.measure("backward", .group) { tape.backward(from: prediction, gradient: loss.gradient) }
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
