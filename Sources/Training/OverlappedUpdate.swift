import Checkpoints
import Kernels
import Tensors

/// Updates each of a rank's parts of the state as soon as its gradient has been summed over the ranks, so that new
/// weights can be sent while the backward pass is still running. The new state is written next to the old one, which
/// stays valid until `commit()`, since the last gradients may turn out to be non-finite.
///
/// New weights overwrite the gradient sums they were computed from, and those of other ranks are received where their
/// gradients were. The buffers of old weights and gradients are therefore swapped at each step, and only the rank's
/// parts of moments and average exist twice.
///
/// Not thread-safe.
final class OverlappedUpdate {
  private let state: ShardedState
  private let optimizer: Optimizer
  private let microbatches: Int
  private let norm: GradientNorm
  private var next: ShardedState.Values
  private let parts: [Int?]

  /// - Parameter parts: for each bucket, which of the rank's parts of the state it contains.
  init(of state: ShardedState, by optimizer: Optimizer, microbatches: Int, norm: GradientNorm, parts: [Int?])
  {
    self.state = state
    self.optimizer = optimizer
    self.microbatches = microbatches
    self.norm = norm
    next = state.newValues(weights: ParameterBuffer(count: state.layout.flatCount, isShared: true))
    self.parts = parts
  }

  /// The buffer into which the next step's gradients are summed.
  var gradient: ParameterBuffer { next.weights }

  /// Turns the sum of the gradients in this rank's part of `bucket` into new weights.
  func callAsFunction(_ bucket: Int, threads: ThreadPool) {
    guard let part = parts[bucket] else { return }
    norm.add(part: part, of: gradient, threads: threads)
    optimizer.update(
      part: part, of: state, to: next, gradient: gradient, microbatches: microbatches, norms: nil,
      threads: threads)
  }

  /// Makes the new state the current one, once all parts are updated, and increments the step.
  func commit() {
    swap(&state.values, &next)
    state.step += 1
  }
}
