import Checkpoints
import Configuration
import DataParallel
import Kernels
import Layers
import MPI
import Tensors

/// Updates a rank's parts of the state with the sum of the gradients, in one of three ways:
///
/// - overlapped: each bucket as soon as its gradient is summed, written next to the old state, so that new weights are
///   sent while the backward pass is running (`OverlappedUpdate`); with several ranks and no clipping;
/// - in place, once the norm of the gradient is known; with clipping, or on a single rank;
/// - fused: on a single rank, without clipping and with one micro-batch, gradients of large convolutions are computed
///   during the update, block by block, and discarded (`FusedWeightGradient`).
///
/// In each case, a step whose loss or gradient is non-finite changes nothing but the step number.
///
/// Not thread-safe.
package final class StepUpdate {
  private let state: ShardedState
  private let optimizer: Optimizer
  private let microbatches: Int
  private let communicator: Communicator
  private let engine: Engine
  private let norm: GradientNorm
  private let overlapped: OverlappedUpdate?
  /// For each bucket, the index of the rank's part of the state in it, if any.
  private let parts: [Int?]
  /// Gradients that the step's backward pass deferred to the update.
  private var fused = FusedWeightGradients()
  /// The buffer into which the step's gradients are summed.
  private(set) var gradient: ParameterBuffer
  /// Whether the backward pass may defer gradients to the update: only if nothing is added to them and the update does
  /// not need all of them first.
  let defersGradients: Bool

  /// - Parameters:
  ///   - mayOverlap: false if gradients are not summed bucket by bucket.
  ///   - mayDefer: whether the backward pass may defer gradients to the update where possible.
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

  /// Whether buckets are updated as soon as they are summed; see `update(bucket:threads:)`.
  var isOverlapped: Bool { overlapped != nil }

  /// Turns the sum of the gradients in this rank's part of `bucket` into new weights.
  func update(bucket: Int, threads: ThreadPool) { overlapped?(bucket, threads: threads) }

  /// Called on a single rank when the sum of the gradients in `bucket` is complete.
  ///
  /// - Parameter deferred: gradients of the bucket that are deferred to the update.
  func sumIsComplete(inBucket bucket: Int, but deferred: FusedWeightGradients) {
    guard communicator.size == 1, let part = parts[bucket] else { return }
    // Now, while the bucket is still in the cache.
    norm.add(part: part, excluding: deferred.ranges, of: gradient, threads: engine.threads)
  }

  /// Takes over the gradients that the backward pass deferred to the update.
  func take(_ deferred: FusedWeightGradients) { fused = deferred }

  /// The norm and learning rate of an update.
  package struct Outcome {
    /// The norm of the mean gradient of the first optimiser's parameters.
    package let gradientNorm: Double
    package let learningRate: Double
  }

  /// Updates this rank's parts of the state. Collective.
  ///
  /// - Parameters:
  ///   - loss: the mean over the batch.
  ///   - exchange: distributes all new weights to all ranks during the next step's forward pass; nil to skip this.
  ///   - profile: records the time taken.
  /// - Returns: nil if loss or gradient is non-finite, in which case nothing but the step number has changed.
  /// - Throws: `MPIError`.
  func callAsFunction(
    loss: Double, gatheringBy exchange: GradientExchange?, profile: Profile?
  ) throws -> Outcome? {
    defer { fused = FusedWeightGradients() }
    // Profiled individually for each gradient.
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
      // Needed even if the weights are discarded: other ranks may have begun to gather them.
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

  /// Small pages suit gradients that are mostly deferred; otherwise large pages are faster. To be called after the
  /// first backward pass.
  func chooseGradientPages() {
    let left = fused.all.reduce(0) { $0 + $1.range.count }
    if 2 * left < gradient.count { gradient.enlargePages() }
  }

  /// Updates the parameters whose gradients were deferred, and adds these gradients to the norm; does nothing if the
  /// loss or the gradient of any parameter is non-finite.
  ///
  /// - Returns: false if deferred gradients exist but were not applied.
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

  /// Updates this rank's parts, and starts sending each as soon as it is updated.
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
