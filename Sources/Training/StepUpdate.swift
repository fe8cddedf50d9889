import Checkpoints
import Configuration
import DataParallel
import Kernels
import Layers
import MPI
import Tensors

/// The update of a rank's parts of the state with the sum of the gradients, in one of three ways:
///
/// - beside the old state, each bucket as soon as its gradient is summed, so that new weights travel while the backward
///   pass runs (`OverlappedUpdate`): with other ranks, without clipping;
/// - in place, when the length of the gradient is known: with clipping, or alone;
/// - alone, without clipping and with one micro-batch, gradients of large convolutions are made in the update, block by
///   block, and forgotten (`FusedWeightGradient`).
///
/// A step whose loss or gradient is non-finite changes nothing but the step's number, whichever way is taken.
///
/// For one thread at a time.
package final class StepUpdate {
  private let state: ShardedState
  private let optimizer: Optimizer
  private let microbatches: Int
  private let communicator: Communicator
  private let engine: Engine
  private let norm: GradientNorm
  private let overlapped: OverlappedUpdate?
  /// Which of the rank's parts of the state lies in each bucket.
  private let parts: [Int?]
  /// Gradients that the step's backward pass has left to the update.
  private var fused = FusedWeightGradients()
  /// Where the gradients of the step are summed.
  private(set) var gradient: ParameterBuffer
  /// Whether the backward pass may leave gradients to the update: not if anything is added to them, nor if all of them
  /// have to be there first.
  let defersGradients: Bool

  /// - Parameters:
  ///   - mayOverlap: false where gradients are not summed bucket by bucket.
  ///   - mayDefer: whether the backward pass may leave gradients to the update, where that can be.
  init(
    _ state: ShardedState, by optimizer: Optimizer, plan: BucketPlan, microbatches: Int, engine: Engine,
    communicator: Communicator, mayOverlap: Bool, mayDefer: Bool
  ) {
    self.state = state
    self.optimizer = optimizer
    self.microbatches = microbatches
    self.communicator = communicator
    self.engine = engine
    let norm = GradientNorm(layout: state.layout, parts: state.parts, groups: optimizer.ranges)
    self.norm = norm
    let parts = plan.parts(of: communicator.rank).map { state.parts.firstIndex(of: $0) }
    self.parts = parts
    let isAlone = communicator.size == 1
    overlapped =
      isAlone || optimizer.needsNorm || !mayOverlap
      ? nil : OverlappedUpdate(of: state, by: optimizer, microbatches: microbatches, norm: norm, parts: parts)
    defersGradients = mayDefer && isAlone && mayOverlap && microbatches == 1 && !optimizer.needsNorm
    gradient =
      overlapped?.gradient
      ?? ParameterBuffer(
        count: state.layout.flatCount, isShared: !isAlone && mayOverlap, isSparse: defersGradients)
  }

  /// Whether buckets are updated as soon as they are summed, see `update(bucket:threads:)`.
  var isOverlapped: Bool { overlapped != nil }

  /// Turns the sum of the gradients in this rank's part of `bucket` into weights.
  func update(bucket: Int, threads: ThreadPool) { overlapped?(bucket, threads: threads) }

  /// The sum of the gradients in `bucket` is complete, of a rank that is alone.
  ///
  /// - Parameter deferred: what of them is left to the update.
  func sumIsComplete(inBucket bucket: Int, but deferred: FusedWeightGradients) {
    guard communicator.size == 1, let part = parts[bucket] else { return }
    // While it is in the cache.
    norm.add(part: part, excluding: deferred.ranges, of: gradient, threads: engine.threads)
  }

  /// Takes over what the backward pass has left to the update.
  func take(_ deferred: FusedWeightGradients) { fused = deferred }

  /// What an update was made with.
  package struct Outcome {
    /// The length of the mean gradient, of the first optimiser's parameters.
    package let gradientNorm: Double
    package let learningRate: Double
  }

  /// Updates this rank's parts of the state. Collective.
  ///
  /// - Parameters:
  ///   - loss: the mean over the batch.
  ///   - exchange: gives all ranks all weights: they arrive while the next step's forward pass runs. nil: that is left
  ///     out.
  ///   - profile: what learns of the time that it takes.
  /// - Returns: nil if loss or gradient are non-finite: nothing but the step's number has changed then.
  /// - Throws: `MPIError`.
  func callAsFunction(
    loss: Double, gatheringBy exchange: GradientExchange?, profile: Profile?
  ) throws -> Outcome? {
    defer { fused = FusedWeightGradients() }
    // Measured gradient by gradient.
    let areFusedFinite = updateFused(loss: loss)
    return try profile.measure("update", .phase) {
      try update(loss: loss, areFusedFinite: areFusedFinite, gatheringBy: exchange)
    }
  }

  private func update(
    loss: Double, areFusedFinite: Bool, gatheringBy exchange: GradientExchange?
  ) throws -> Outcome? {
    if overlapped == nil && communicator.size > 1 { norm.addParts(of: gradient, threads: engine.threads) }
    let lengths = try norm.lengths(on: communicator).map { $0 / Double(microbatches) }
    let isFinite = loss.isFinite && lengths.allSatisfy(\.isFinite) && areFusedFinite
    if let overlapped {
      if isFinite { overlapped.commit() }
      gradient = overlapped.gradient
      // Also what nobody will use: partners may have begun to gather it.
      try exchange?.gatherEarlyOnes()
    } else if isFinite {
      try updateInPlace(norms: lengths, gatheringBy: exchange)
    }
    guard isFinite else {
      state.step += 1
      return nil
    }
    optimizer.followWithFurtherAverages(state, threads: engine.threads)
    return Outcome(gradientNorm: lengths[0], learningRate: optimizer.learningRate(step: state.step))
  }

  /// Small pages are for gradients that are mostly left out; those that come are faster in large ones. To be called
  /// after the first backward pass.
  func chooseGradientPages() {
    let left = fused.all.reduce(0) { $0 + $1.range.count }
    if 2 * left < gradient.count { gradient.enlargePages() }
  }

  /// Updates the parameters whose gradients were left to the update, and takes these into the norm; nothing if loss or
  /// gradient, of whatever parameter, are non-finite.
  ///
  /// - Returns: false if it was not done, although there are some.
  private func updateFused(loss: Double) -> Bool {
    guard !fused.all.isEmpty else { return true }
    guard loss.isFinite && norm.isFinite && fused.areFinite() else { return false }
    for gradient in fused.all {
      let step = optimizer.adamStep(state, microbatches: microbatches, at: gradient.range.lowerBound)
      let squares = gradient.update(state.values.pointers(at: gradient.range), by: step)
      norm.add(squares: squares, at: gradient.range.lowerBound)
    }
    return true
  }

  /// Updates this rank's parts, and starts to send each as soon as it is made.
  private func updateInPlace(norms: [Double], gatheringBy exchange: GradientExchange?) throws {
    guard let exchange else {
      return optimizer.update(
        state, gradient: gradient, microbatches: microbatches, norms: norms, threads: engine.threads)
    }
    try exchange.startGathering(state.weights) { bucket in
      guard let part = parts[bucket] else { return }
      optimizer.update(
        part: part, excluding: fused.ranges, of: state, to: state.values, gradient: gradient,
        microbatches: microbatches, norms: norms, threads: engine.threads)
    }
    state.step += 1
  }
}
