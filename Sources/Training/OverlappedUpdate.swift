import Checkpoints
import Kernels
import Tensors

/// The update of a rank's parts of the state, each as soon as its gradient is summed over the ranks, so that new weights
/// can travel while the backward pass still runs. It is made beside the old state, which counts until `commit()`: the
/// last of the gradients may turn out to be no number.
///
/// New weights take the place of the sums that they were made from, and those of other ranks arrive where their
/// gradients were. So old weights and gradients change places at each step, and only the rank's parts of moments and
/// average exist twice.
///
/// For one thread at a time.
final class OverlappedUpdate {
  private let state: ShardedState
  private let optimizer: Optimizer
  private let microbatches: Int
  private let norm: GradientNorm
  private var next: ShardedState.Values
  private let parts: [Int?]

  /// - Parameter parts: which of the rank's parts of the state lies in each bucket.
  init(of state: ShardedState, by optimizer: Optimizer, microbatches: Int, norm: GradientNorm, parts: [Int?])
  {
    self.state = state
    self.optimizer = optimizer
    self.microbatches = microbatches
    self.norm = norm
    next = state.newValues(weights: ParameterBuffer(count: state.layout.flatCount, isShared: true))
    self.parts = parts
  }

  /// Where the gradients of the next step are to be summed.
  var gradient: ParameterBuffer { next.weights }

  /// Turns the sum of the gradients in this rank's part of `bucket` into weights.
  func callAsFunction(_ bucket: Int, threads: ThreadPool) {
    guard let part = parts[bucket] else { return }
    norm.add(part: part, of: gradient, threads: threads)
    optimizer.update(
      part: part, of: state, to: next, gradient: gradient, microbatches: microbatches, norms: nil,
      threads: threads)
  }

  /// Makes the new state the state, when all parts are there, and counts the step.
  func commit() {
    swap(&state.values, &next)
    state.step += 1
  }
}
