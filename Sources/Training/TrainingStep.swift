import Checkpoints
import Configuration
import DataParallel
import Datasets
import Kernels
import MPI
import Reporting
import Tasks
import Tensors

/// What a training step computes, on all ranks of a communicator alike: the gradients of this rank's micro-batches
/// (`GradientAccumulation`), their sum over all ranks (`GradientExchange`), the update (`StepUpdate`).
package final class TrainingStep {
  /// How gradients are summed over the ranks.
  package enum Sum: Sendable {
    /// By the tree, while the backward pass runs; each rank has its parts, and gets the others' weights.
    case exchange
    /// By `MPI_Allreduce`, after the backward pass, and no weights are sent: to measure what the other way costs. This
    /// one trains nothing, since ranks do not learn of each other's weights.
    case allReduce
  }

  package let state: ShardedState
  package let assignment: MicrobatchAssignment
  package let engine: Engine
  package let exchange: GradientExchange
  /// What is told of every operation and phase; nil: nothing is measured.
  package var profile: Profile? {
    didSet {
      exchange.profile = profile
      accumulation.profile = profile
    }
  }
  /// What this rank has waited for other ranks' gradients and weights, until somebody sets it back.
  package var communicationWait = 0.0
  /// Is told when gradients cannot be computed further, for weights that other ranks have yet to send: true when that
  /// begins, false when it ends.
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
  /// nil for a task whose micro-batches need nothing of each other.
  private let wholeBatchTask: (any WholeBatchTask)?

  /// - Parameter mayDefer: whether the backward pass may leave gradients to the update, where that can be.
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
      task, assignment, plan: plan, engine: engine, recomputes: configuration.training.recomputes,
      defersGradients: update.defersGradients, arrival: arrival
    ) { [fault, state] microbatch in
      microbatch == assignment.own.lowerBound
        && fault?.happens(.nanGradient, on: assignment.rank, step: state.step + 1) == true
    }
    arrival.waiting = { [unowned self] in try waiting($0, $1) }
  }

  /// Computes the gradients of this rank's micro-batches and their sum; returns the micro-batches' losses. While the
  /// last one's backward pass runs, the parts of the sum that are complete are already on their way to other ranks.
  /// Collective.
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

  /// What micro-batches need of the whole batch: features of all ranks' samples. Collective.
  private func gather(_ task: any WholeBatchTask, _ batch: Loader.Batch) throws -> WholeBatch {
    try exchange.finishGathering()
    task.bound(state.weights)
    let own = profile.measure("features", .phase) {
      accumulation.features(of: task, batch, weights: state.weights, step: state.step)
    }
    // Ranks have consecutive micro-batches.
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

  /// Updates this rank's parts of the state with the sum of the gradients, and gives all ranks all weights: they arrive
  /// while the next step's forward pass runs. Until then `state.weights` is only for `exchange.finishGathering()` to
  /// touch. Collective.
  ///
  /// - Parameter loss: the mean over the batch.
  /// - Returns: nil if loss or gradient are non-finite: nothing but the step's number has changed then.
  /// - Throws: `MPIError`.
  package func update(loss: Double) throws -> StepUpdate.Outcome? {
    if arrival.learnOrder() { update.chooseGradientPages() }
    return try update(loss: loss, gatheringBy: sum == .exchange ? exchange : nil, profile: profile)
  }

  /// Which micro-batches had a loss or a gradient that is non-finite in the step that was just skipped, of all ranks'.
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

  /// Does what consists of waiting for other ranks.
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
