import Checkpoints
import Configuration
import DataParallel
import Datasets
import Kernels
import MPI
import Reporting
import Tasks
import Tensors

/// One training step, executed on all ranks of a communicator: the gradients of this rank's micro-batches
/// (`GradientAccumulation`), their sum over all ranks (`GradientExchange`), and the update (`StepUpdate`).
package final class TrainingStep {
  /// How gradients are summed over the ranks.
  package enum Sum: Sendable {
    /// By a reduction tree while the backward pass is running; each rank updates its parts and receives the other
    /// ranks' weights.
    case exchange
    /// By `MPI_Allreduce` after the backward pass, without sending any weights, to measure what the other method costs.
    /// Does not train, since ranks do not receive each other's weights.
    case allReduce
  }

  package let state: ShardedState
  package let assignment: MicrobatchAssignment
  package let engine: Engine
  package let exchange: GradientExchange
  /// Records every operation and phase; nil disables profiling.
  package var profile: Profile? {
    didSet {
      exchange.profile = profile
      accumulation.profile = profile
    }
  }
  /// Seconds that this rank has waited for other ranks' gradients and weights since the caller last reset it.
  package var communicationWait = 0.0
  /// Called with true when computation stalls on weights that other ranks have yet to send, and with false when it
  /// continues.
  package var onWeightsAwaited: (Bool) -> Void {
    get { arrival.onAwaited }
    set { arrival.onAwaited = newValue }
  }
  private let communicator: Communicator
  private let sum: Sum
  private let arrival: WeightArrival
  private let accumulation: GradientAccumulation
  private let update: StepUpdate
  private let fault = TestFault()
  /// nil if the task's micro-batches are independent of each other.
  private let wholeBatchTask: (any WholeBatchTask)?

  /// - Parameter mayDefer: whether the backward pass may defer gradients to the update where possible.
  package init(
    _ configuration: TrainingConfiguration, task: any TrainingTask, state: ShardedState, plan: BucketPlan,
    assignment: MicrobatchAssignment, engine: Engine, communicator: Communicator, sum: Sum = .exchange,
    mayDefer: Bool = true
  ) throws {
    self.state = state
    self.assignment = assignment
    self.engine = engine
    self.communicator = communicator
    self.sum = sum
    wholeBatchTask = task as? any WholeBatchTask
    let update = StepUpdate(
      state,
      by: Optimizer(configuration.optimizerGroups, averages: configuration.ema, layout: state.layout),
      plan: plan,
      microbatches: assignment.microbatches, engine: engine, communicator: communicator,
      mayOverlap: sum == .exchange, mayDefer: mayDefer)
    self.update = update
    exchange = try GradientExchange(
      communicator: communicator, plan: plan, threads: engine.threads,
      sharing: [state.weights, update.gradient],
      compression: configuration.training.gradientCompression)
    if update.isOverlapped { exchange.gatherEarly { update.update(bucket: $0, threads: $1) } }
    arrival = WeightArrival(exchange, set: task.parameters.set)
    accumulation = GradientAccumulation(
      task, assignment, plan: plan, engine: engine, precision: configuration.training.precision,
      recomputes: configuration.training.recomputes,
      defersGradients: update.defersGradients, arrival: arrival
    ) { [fault, state] microbatch in
      microbatch == assignment.own.lowerBound
        && fault?.happens(.nanGradient, on: assignment.rank, step: state.step + 1) == true
    }
    arrival.waiting = { [unowned self] in try waiting($0, $1) }
  }

  /// Computes and sums the gradients of this rank's micro-batches; returns their losses. Completed parts of the sum are
  /// already sent to other ranks while the last micro-batch's backward pass is running. Collective.
  ///
  /// - Throws: `MPIError`.
  package func sumGradients(_ batch: Loader.Batch) throws -> GradientAccumulation.Losses {
    try flipWeightForTests()
    if let wholeBatchTask { accumulation.wholeBatch = try gather(wholeBatchTask, batch) }
    let (losses, deferred) = try accumulation.sum(
      batch, weights: state.weights, into: update.gradient, step: state.step
    ) { bucket, deferred in
      update.sumIsComplete(inBucket: bucket, but: deferred)
      if sum == .exchange { try exchange.start(bucket, of: update.gradient) }
    } onOperation: {
      try exchange.advance()
    }
    update.take(deferred)
    return losses
  }

  /// Gathers the features of all ranks' samples for losses that depend on the whole batch. Collective.
  private func gather(_ task: any WholeBatchTask, _ batch: Loader.Batch) throws -> WholeBatch {
    try exchange.finishGathering()
    task.bound(state.weights)
    let own = profile.measure("features", .phase) {
      accumulation.features(of: task, batch, weights: state.weights, step: state.step)
    }
    // Each rank has consecutive micro-batches, so concatenation preserves the order of samples.
    let all = try waiting("features of all") { try communicator.allGather(own).flatMap { $0 } }
    return task.wholeBatch(all, weights: state.weights, engine: engine)
  }

  /// Waits until this rank's parts of the gradients are summed over all ranks. Collective.
  ///
  /// - Throws: `MPIError`.
  package func sumOverRanks() throws {
    try waiting("reduce-scatter") {
      try exchange.finish()
      if sum == .allReduce { try communicator.allReduce(update.gradient.elements, .sum) }
    }
  }

  /// A digest of the weights that the gradients were computed with.
  func weightsDigest() -> UInt64 {
    profile.measure("replica check", .phase) {
      Digest.of(state.weights.pointer, count: state.weights.count, pool: engine.threads)
    }
  }

  /// Updates this rank's parts of the state with the sum of the gradients, and starts distributing all weights to all
  /// ranks during the next step's forward pass. Until that is complete, only `exchange.finishGathering()` may access
  /// `state.weights`. Collective.
  ///
  /// - Parameter loss: the mean over the batch.
  /// - Returns: nil if loss or gradient is non-finite, in which case nothing but the step number has changed.
  /// - Throws: `MPIError`.
  package func update(loss: Double) throws -> StepUpdate.Outcome? {
    if arrival.learnOrder() { update.chooseGradientPages() }
    return try update(loss: loss, gatheringBy: sum == .exchange ? exchange : nil, profile: profile)
  }

  /// The micro-batches of all ranks whose loss or gradient was non-finite in the step that was just skipped.
  /// Collective.
  ///
  /// - Throws: `MPIError`.
  func nonFiniteMicrobatches(_ batch: Loader.Batch) throws -> [Int] {
    state.step -= 1
    defer { state.step += 1 }
    let own = try accumulation.nonFiniteMicrobatches(
      batch, weights: state.weights, in: update.gradient, step: state.step)
    return try communicator.allGather(own).flatMap { $0 }
  }

  /// Runs `body`, which consists of waiting for other ranks, and records the time.
  private func waiting<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    let watch = Stopwatch()
    defer { communicationWait += watch.seconds }
    return try profile.measure(name, .phase, body)
  }

  private func flipWeightForTests() throws {
    guard fault?.happens(.flipWeight, on: communicator.rank, step: state.step + 1) == true else { return }
    try exchange.finishGathering()
    let weight = state.weights.pointer + (state.layout.trained.first?.offset ?? 0)
    weight.pointee = Float(bitPattern: weight.pointee.bitPattern ^ 1)
  }
}
