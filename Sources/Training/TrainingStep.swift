import DataParallel
import Diffusion
import Kernels
import MPI
import Models
import Tensors

/// What a training step computes, on all ranks of a communicator alike: the gradients of this rank's slices, their sum
/// over all ranks, the update.
final class TrainingStep {
  /// How gradients are summed over the ranks.
  enum Sum: Sendable {
    /// By the tree, while the backward pass runs; each rank has its parts, and gets the others' weights.
    case exchange
    /// By `MPI_Allreduce`, after the backward pass, and no weights are sent: to measure what the other way costs. This
    /// one trains nothing, since ranks do not learn of each other's weights.
    case allReduce
  }

  let state: RankState
  let share: SliceShare
  let engine: Engine
  /// What is told of every operation and phase; nil: nothing is measured.
  var profile: Profile? {
    didSet { exchange.profile = profile }
  }
  /// What this rank has waited for other ranks' gradients and weights, until somebody sets it back.
  var communicationWait = 0.0
  /// Is told when gradients cannot be computed further, for weights that other ranks have yet to send: true when that
  /// begins, false when it ends.
  var onWeightsAwaited: (Bool) -> Void = { _ in }
  private let configuration: TrainingConfiguration
  /// [H, W, C].
  private let imageShape: [Int]
  private let optimizer: Optimizer
  private let communicator: Communicator
  private let sum: Sum
  private var gradient: FlatMemory
  private let gradientNorm: GradientNorm
  let exchange: GradientExchange
  /// Which of the rank's parts of the state lies in each bucket.
  private let parts: [Int?]
  /// nil where an update has to wait for all gradients, or no other rank for it.
  private let earlyUpdate: EarlyUpdate?
  /// Whether the backward pass may leave gradients to the update: not if anything is added to them, nor if all of them
  /// have to be there first.
  private let defersGradients: Bool
  /// Those of the step under way.
  private var deferred = DeferredGradients()
  private var branches: [FlatMemory] = []
  /// Where the weights lie in the order in which the first forward pass has used them: in which they are sent.
  private var uses: [Range<Int>] = []
  private var usesAreKnown = false
  private let fault = TestFault()

  /// - Parameter mayDefer: whether the backward pass may leave gradients to the update, where that can be.
  init(
    _ configuration: TrainingConfiguration, imageShape: [Int], state: RankState, plan: BucketPlan,
    share: SliceShare, engine: Engine, communicator: Communicator, sum: Sum = .exchange, mayDefer: Bool = true
  ) throws {
    self.configuration = configuration
    self.imageShape = imageShape
    self.state = state
    self.share = share
    self.engine = engine
    self.communicator = communicator
    self.sum = sum
    let optimizer = Optimizer(configuration.optimizer, averageDecay: configuration.training.averageDecay)
    self.optimizer = optimizer
    let gradientNorm = GradientNorm(layout: state.layout, parts: state.parts)
    self.gradientNorm = gradientNorm
    let parts = plan.parts(of: communicator.rank).map { state.parts.firstIndex(of: $0) }
    self.parts = parts
    earlyUpdate =
      communicator.size == 1 || optimizer.needsNorm || sum == .allReduce
      ? nil
      : EarlyUpdate(
        of: state, by: optimizer, slices: share.slices, norm: gradientNorm, parts: parts)
    defersGradients =
      mayDefer && communicator.size == 1 && sum == .exchange && share.slices == 1 && !optimizer.needsNorm
    let isShared = communicator.size > 1 && sum == .exchange
    gradient =
      earlyUpdate?.gradient
      ?? FlatMemory(count: state.layout.flatCount, isShared: isShared, isSparse: defersGradients)
    exchange = try GradientExchange(
      communicator: communicator, plan: plan, threads: engine.threads, sharing: [state.weights, gradient],
      compression: configuration.training.gradientCompression)
    if let earlyUpdate { exchange.gatherEarly { earlyUpdate($0, threads: $1) } }
  }

  /// Whether the sum of this rank's slices is that of all.
  private var isAlone: Bool { communicator.size == 1 }

  /// Computes the gradients of this rank's slices and their sum; returns the slices' losses. While the last slice's
  /// backward pass runs, the parts of the sum that are complete are already on their way to other ranks. Collective.
  ///
  /// - Parameters:
  ///   - images: this rank's of the step, [n, H, W, C] in [-1, 1].
  ///   - labels: theirs, -1 for none.
  /// - Throws: `MPIError`.
  func sumGradients(images: [Float], labels: [Int32]) throws -> [Double] {
    if fault?.happens(.flipWeight, on: communicator.rank, step: state.step + 1) == true {
      try exchange.finishGathering()
      let weight = state.weights.pointer + (state.layout.trained.first?.offset ?? 0)
      weight.pointee = Float(bitPattern: weight.pointee.bitPattern ^ 1)
    }
    var losses: [Double] = []
    try SliceTree.sum(share.own, into: gradient, branches: &branches, threads: engine.threads) {
      slice, gradient in
      losses.append(try addGradient(of: slice, images, labels, to: gradient))
    } lastLeaf: { slice, gradient, complete in
      func send(_ buckets: [Int]) throws {
        for bucket in buckets {
          complete(exchange.plan.buckets[bucket])
          if isAlone, let part = parts[bucket] {
            // While it is in the cache.
            gradientNorm.add(
              part: part, excluding: deferred.ranges, of: self.gradient, threads: engine.threads)
          }
          guard sum == .exchange else { continue }
          try exchange.start(bucket, of: self.gradient)
        }
      }
      var readiness: BucketReadiness?
      let loss = try addGradient(
        of: slice, images, labels, to: gradient, defersGradients: defersGradients
      ) { tape in
        let used = tape.usedParameters
        readiness = BucketReadiness(
          exchange.plan, waitingFor: state.layout.trained.filter { used.contains($0.offset) })
      } onStep: { tape, completed in
        deferred = tape.deferred
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
    try waiting("reduce-scatter") {
      try exchange.finish()
      if sum == .allReduce { try communicator.allReduce(gradient.elements, .sum) }
    }
  }

  /// A digest of the weights that the gradients were computed with.
  func weightsDigest() -> UInt64 {
    profile.measure("replica check", .phase) {
      Digest.of(state.weights.pointer, count: state.weights.count, pool: engine.threads)
    }
  }

  /// What an update was made with.
  struct Update {
    /// The mean over the batch.
    let loss: Double
    /// The length of the mean gradient.
    let gradientNorm: Double
    let learningRate: Double
  }

  /// Updates this rank's parts of the state with the sum of the gradients, and gives all ranks all weights: they arrive
  /// while the next step's forward pass runs. Until then `state.weights` is only for `exchange.finishGathering()` to
  /// touch. Collective.
  ///
  /// - Parameter losses: of all slices.
  /// - Returns: nil if loss or gradient are no numbers: nothing but the step's number has changed then.
  /// - Throws: `MPIError`.
  func update(losses: [Double]) throws -> Update? {
    // The mean over slices of equal size is the mean over the batch.
    let loss = SliceTree.sum(losses) / Double(share.slices)
    defer { deferred = DeferredGradients() }
    let isDeferredGood = updateDeferred(loss: loss)
    return try profile.measure("update", .phase) {
      if earlyUpdate == nil && !isAlone { gradientNorm.addParts(of: gradient, threads: engine.threads) }
      let norm = try gradientNorm.length(on: communicator) / Double(share.slices)
      let isGood = loss.isFinite && norm.isFinite && isDeferredGood
      if !usesAreKnown {
        exchange.gather(inOrderOf: uses)
        (uses, usesAreKnown) = ([], true)
        chooseGradientPages()
      }
      if let earlyUpdate {
        if isGood { earlyUpdate.commit() }
        gradient = earlyUpdate.gradient
        // Also what nobody will use: partners may have begun to gather it.
        try exchange.gatherEarlyOnes()
      } else if isGood {
        try updateInPlace(norm: norm)
      }
      guard isGood else {
        state.step += 1
        return nil
      }
      return Update(loss: loss, gradientNorm: norm, learningRate: optimizer.learningRate(step: state.step))
    }
  }

  /// Small pages are for gradients that are mostly left out; those that come are faster in large ones.
  private func chooseGradientPages() {
    let left = deferred.all.reduce(0) { $0 + $1.range.count }
    if 2 * left < gradient.count { gradient.enlargePages() }
  }

  /// Updates the parameters whose gradients were deferred, and takes these into the norm; nothing if loss or gradient,
  /// of whatever parameter, are no numbers.
  ///
  /// - Returns: false if it was not done, although there are some.
  private func updateDeferred(loss: Double) -> Bool {
    guard !deferred.all.isEmpty else { return true }
    guard loss.isFinite && gradientNorm.isFinite && deferred.areFinite() else { return false }
    let number = state.step + 1
    let step = AdamStep(optimizer.adam(step: number, slices: share.slices, norm: 0), number: number)
    for gradient in deferred.all {
      let squares = gradient.update(state.values.pointers(at: gradient.range), by: step)
      gradientNorm.add(squares: squares, at: gradient.range.lowerBound)
    }
    return true
  }

  /// Updates this rank's parts, and starts to send each as soon as it is made.
  private func updateInPlace(norm: Double) throws {
    switch sum {
    case .allReduce:
      optimizer.update(state, gradient: gradient, slices: share.slices, norm: norm, threads: engine.threads)
    case .exchange:
      try exchange.startGathering(state.weights) { bucket in
        guard let part = parts[bucket] else { return }
        optimizer.update(
          part: part, excluding: deferred.ranges, of: state, to: state.values, gradient: gradient,
          slices: share.slices, norm: norm, threads: engine.threads)
      }
      state.step += 1
    }
  }

  /// Does what consists of waiting for other ranks.
  private func waiting(_ name: String, _ body: () throws -> Void) rethrows {
    let watch = Stopwatch()
    defer { communicationWait += watch.seconds }
    try profile.measure(name, .phase, body)
  }

  /// Lets buckets travel, and waits until these weights are there.
  private func await(_ parameter: Parameter) throws {
    try exchange.advance()
    let range = parameter.offset..<parameter.offset + parameter.count
    if !usesAreKnown { uses.append(range) }
    guard !exchange.isGathered(range) else { return }
    try waitForWeights(in: range)
  }

  private func waitForWeights(in range: Range<Int>) throws {
    let isWaiting = !exchange.isGathered(range)
    if isWaiting { onWeightsAwaited(true) }
    defer { if isWaiting { onWeightsAwaited(false) } }
    try waiting("all-gather") { try exchange.waitUntilGathered(range) }
  }

  /// Which slices had a loss or a gradient that is no number in the step that was just skipped, of all ranks'. They are
  /// computed once more: while all is well, nobody looks. Collective.
  ///
  /// - Throws: `MPIError`.
  func nonFiniteSlices(images: [Float], labels: [Int32]) throws -> [Int] {
    state.step -= 1
    defer { state.step += 1 }
    let own = try share.own.filter { slice in
      let loss = try addGradient(of: slice, images, labels, to: gradient)
      let squares = Reduction.sumOfSquares(gradient.pointer, count: gradient.count, pool: engine.threads)
      return !(loss.isFinite && squares.isFinite)
    }
    return try communicator.allGather(own).flatMap { $0 }
  }

  /// Forward and backward pass of one slice; returns its mean loss.
  ///
  /// - Parameters:
  ///   - onForward: called between the two.
  ///   - onStep: called during the backward pass, see `Tape.backward`.
  private func addGradient(
    of slice: Int, _ images: [Float], _ labels: [Int32], to gradient: FlatMemory,
    defersGradients: Bool = false, onForward: (Tape) -> Void = { _ in },
    onStep: (_ tape: Tape, _ completed: [Int]) throws -> Void = { _, _ in }
  ) throws -> Double {
    let (model, diffusion, seed) = (configuration.model, configuration.diffusion, configuration.training.seed)
    var failure: (any Error)?
    let tape = Tape(
      engine: engine, weights: state.weights, gradients: gradient,
      recomputes: configuration.training.recomputes, defersGradients: defersGradients, profile: profile
    ) { [unowned self] parameter in
      guard failure == nil else { return }
      do { try self.await(parameter) } catch { failure = error }
    }
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
        examples.noisy, timesteps: examples.timesteps.map { Int($0) },
        labels: classLabels ?? samples.map { _ in nil })
    }
    // A model is not made to fail: what it computed with weights that did not come is dropped here.
    if let failure { throw failure }
    // The way back uses the buckets' lanes, and perhaps weights that nothing on the way forth did.
    try waitForWeights(in: 0..<state.weights.count)
    let loss = profile.measure("loss", .phase) { diffusion.loss(of: prediction, for: examples) }
    if slice == share.own.lowerBound,
      fault?.happens(.nanGradient, on: communicator.rank, step: state.step + 1) == true
    {
      loss.gradient.pointer[0] = .nan
    }
    tape.clearUnusedGradients(of: state.layout.parameters)
    onForward(tape)
    try profile.measure("backward", .group) {
      try tape.backward(from: prediction, gradient: loss.gradient) { try onStep(tape, $0) }
    }
    return loss.value
  }
}
