import DataParallel
import Datasets
import Kernels
import Tasks
import Tensors

/// Accumulates the gradients of a rank's micro-batches: runs a forward and a backward pass for each and sums the
/// gradients with a `ReductionTree`.
///
/// Not thread-safe.
package final class GradientAccumulation {
  private let task: any TrainingTask
  private let assignment: MicrobatchAssignment
  private let plan: BucketPlan
  private let engine: Engine
  private let precision: ProductPrecision
  private let recomputes: Bool
  /// Whether the backward pass of the last micro-batch may defer gradients to the update.
  private let defersGradients: Bool
  private let arrival: WeightArrival?
  private let fault: (_ microbatch: Int) -> Bool
  private var branches: [ParameterBuffer] = []
  var profile: Profile?
  /// Quantities computed from the step's whole batch, for a task that needs them; nil otherwise.
  var wholeBatch: WholeBatch?

  /// - Parameters:
  ///   - arrival: lets the forward pass wait for weights still in transit; nil if all weights are present.
  ///   - fault: whether to inject a non-finite gradient into a micro-batch, for tests.
  package init(
    _ task: any TrainingTask, _ assignment: MicrobatchAssignment, plan: BucketPlan, engine: Engine,
    precision: ProductPrecision = .float32, recomputes: Bool,
    defersGradients: Bool, arrival: WeightArrival?,
    fault: @escaping (_ microbatch: Int) -> Bool = { _ in false }
  ) {
    self.task = task
    self.assignment = assignment
    self.plan = plan
    self.engine = engine
    self.precision = precision
    self.recomputes = recomputes
    self.defersGradients = defersGradients
    self.arrival = arrival
    self.fault = fault
  }

  /// The losses of one rank's micro-batches.
  package struct Losses {
    /// The total loss of each micro-batch, in order.
    package private(set) var totals: [Double] = []
    /// The named parts of each micro-batch's loss.
    package private(set) var parts: [[Double]] = []

    mutating func append(_ losses: TaskLosses) {
      totals.append(losses.total.value)
      parts.append(losses.parts)
    }
  }

  /// Writes the sum of the gradients to `gradient`.
  ///
  /// - Parameters:
  ///   - weights: the weights of the task's trained parameters.
  ///   - step: number of steps completed before this one.
  ///   - onBucket: called once for each bucket of the plan as soon as its part of the sum is complete, mostly while the
  ///     last micro-batch's backward pass is still running; receives the gradients deferred to the update so far.
  ///   - onOperation: called after each operation of that backward pass.
  /// - Returns: the losses, and the gradients deferred to the update.
  /// - Throws: `MPIError`, and what `onBucket` and `onOperation` throw.
  package func sum(
    _ batch: Loader.Batch, weights: ParameterBuffer, into gradient: ParameterBuffer, step: Int,
    onBucket: (_ bucket: Int, _ deferred: FusedWeightGradients) throws -> Void,
    onOperation: () throws -> Void
  ) throws -> (Losses, deferred: FusedWeightGradients) {
    var losses = Losses()
    var deferred = FusedWeightGradients()
    try ReductionTree.sum(
      assignment.own, into: gradient, branches: &branches, threads: engine.threads
    ) { microbatch, gradient in
      losses.append(try add(microbatch, of: batch, weights: weights, to: gradient, step: step))
    } lastLeaf: { microbatch, gradient, complete in
      var readiness: BucketReadiness?
      func finish(_ buckets: [Int]) throws {
        for bucket in buckets {
          complete(plan.buckets[bucket])
          try onBucket(bucket, deferred)
        }
      }
      let last = try add(
        microbatch, of: batch, weights: weights, to: gradient, step: step, defersGradients: defersGradients
      ) { tape in
        let used = Set(tape.usedParameters.map(\.offset))
        readiness = BucketReadiness(
          plan, waitingFor: task.parameters.trained.filter { used.contains($0.offset) })
      } onStep: { tape, completed in
        deferred = tape.deferred
        try finish(readiness?.buckets(completedBy: completed) ?? [])
        try onOperation()
      }
      losses.append(last)
      try finish(readiness?.remainingBuckets() ?? [])
    }
    return (losses, deferred)
  }

  /// This rank's micro-batches with a non-finite loss or gradient. Recomputes them, so that steps in which all is well
  /// pay nothing for the check.
  ///
  /// - Parameter gradient: scratch memory for the gradients.
  /// - Throws: `MPIError`.
  package func nonFiniteMicrobatches(
    _ batch: Loader.Batch, weights: ParameterBuffer, in gradient: ParameterBuffer, step: Int
  ) throws -> [Int] {
    try assignment.own.filter { microbatch in
      let losses = try add(microbatch, of: batch, weights: weights, to: gradient, step: step)
      let squares = Reduction.sumOfSquares(gradient.pointer, count: gradient.count, pool: engine.threads)
      return !(losses.total.value.isFinite && squares.isFinite)
    }
  }

  /// The features of this rank's micro-batches, concatenated sample by sample.
  func features(
    of task: any WholeBatchTask, _ batch: Loader.Batch, weights: ParameterBuffer, step: Int
  ) -> [Float] {
    assignment.own.flatMap { microbatch in
      let samples = assignment.samples(of: microbatch)
      let first = samples.lowerBound - assignment.ownSamples.lowerBound
      let tape = Tape(
        engine: engine, sets: [BoundParameters(task.parameters.set, weights: weights)] + task.frozen,
        precision: precision)
      return Array(
        task.features(
          of: TaskInput(
            batch: batch, places: first..<first + samples.count, samples: samples, step: step), on: tape
        ).elements)
    }
  }

  /// Runs the forward and backward pass of one micro-batch.
  private func add(
    _ microbatch: Int, of batch: Loader.Batch, weights: ParameterBuffer, to gradient: ParameterBuffer,
    step: Int,
    defersGradients: Bool = false, onForward: (Tape) -> Void = { _ in },
    onStep: (_ tape: Tape, _ completed: [Int]) throws -> Void = { _, _ in }
  ) throws -> TaskLosses {
    let trained = task.parameters
    let samples = assignment.samples(of: microbatch)
    let first = samples.lowerBound - assignment.ownSamples.lowerBound
    let input = TaskInput(
      batch: batch, places: first..<first + samples.count, samples: samples, step: step,
      wholeBatch: wholeBatch, profile: profile)
    let tape = Tape(
      engine: engine,
      sets: [BoundParameters(trained.set, weights: weights, gradients: gradient)] + task.frozen,
      precision: precision, recomputes: recomputes, defersGradients: defersGradients,
      adaptation: task.adaptation(of: input), trainingSamples: task.randomSamples(of: input), profile: profile
    ) { [arrival] in arrival?.use($0) }
    let losses = task.losses(of: input, on: tape)
    // The backward pass uses the buckets' lanes, and may use weights that the forward pass did not. If some weights
    // failed to arrive, this throws, and what was computed with them is discarded.
    try arrival?.finish()
    tape.clearUnusedGradients(of: trained.parameters)
    onForward(tape)
    try profile.measure("backward", .group) {
      try tape.backward(from: losses.total, scale: fault(microbatch) ? .nan : 1) { completed in
        // The trained set comes first; frozen sets have no gradients.
        try onStep(tape, completed.map(\.offset))
      }
    }
    return losses
  }
}
