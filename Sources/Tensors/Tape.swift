import Kernels

/// Records a forward pass for automatic differentiation: each operation appends a closure that maps the gradient of its
/// output to the gradients of its inputs.
///
/// A closure keeps only what it needs and is released once it has run, so memory shrinks as the backward pass proceeds.
/// A tape serves one pass and is used from one thread (operations use the engine's threads internally).
public final class Tape {
  public let engine: Engine
  /// How operations round the factors of matrix products.
  public let precision: ProductPrecision
  private let sets: [BoundParameters]
  /// The adaptation of the sets' weights, if there is one.
  let adaptation: (any WeightAdaptation)?
  /// The samples from which layers derive random numbers; nil outside training, where nothing is random.
  public let trainingSamples: TrainingSamples?
  /// The set of the parameters that were bound without naming one, once it is known.
  private var adopted: ParameterSetIdentity?
  private let profile: Profile?
  private let onUse: (Parameter) -> Void
  private let recomputes: Bool
  private let defersGradients: Bool
  /// The gradients that the backward pass has deferred to the optimiser's update.
  public private(set) var deferred = FusedWeightGradients()
  /// Whether operations record their backward steps; false during the first forward pass of a checkpointed stage.
  private var keepsSteps = true
  /// Whether a checkpointed stage is being recomputed.
  private var isRepeating = false
  private var slots: [Storage?] = []
  /// Whether any input requires a gradient.
  private var hasVariables = false
  private var steps: [() -> Void] = []
  /// For each parameter, the number of operations that have yet to contribute to its gradient.
  private var pendingUses: [ParameterPlace: Int] = [:]
  /// The sizes of the parameters that operations have used but whose gradients have not been written yet.
  private var unwritten: [ParameterPlace: Int] = [:]
  /// The locations of all parameters that receive gradients.
  private var used: Set<ParameterPlace> = []
  /// The parameters whose gradients have become complete since the last report.
  private var completed: [ParameterPlace] = []
  /// Marks, in `pendingUses`, a gradient that has been reported as complete.
  private static let noneEver = Int.min

  /// Creates a tape for a pass through models whose parameters belong to `sets`. Using any other parameter is a
  /// programmer error. If no set has gradients, nothing is recorded.
  ///
  /// - Parameters:
  ///   - precision: how operations round the factors of matrix products.
  ///   - recomputes: whether stages keep only their inputs for the backward pass; see `checkpointed`.
  ///   - defersGradients: whether gradients that are larger than their operands may be deferred to the update: they are
  ///     then in `deferred`, and the set's gradient memory for them is left untouched.
  ///   - adaptation: an adaptation of the weights for this pass, whose own parameters are one of the sets.
  ///   - trainingSamples: the samples from which layers derive random numbers; nil outside training.
  ///   - profile: receives an event for every operation; nil disables measuring.
  ///   - onUse: called before an operation uses a parameter; it may still write the parameter's values.
  public init(
    engine: Engine, sets: [BoundParameters], precision: ProductPrecision = .float32, recomputes: Bool = false,
    defersGradients: Bool = false, adaptation: (any WeightAdaptation)? = nil,
    trainingSamples: TrainingSamples? = nil, profile: Profile? = nil,
    onUse: @escaping (Parameter) -> Void = { _ in }
  ) {
    precondition(
      sets.count <= 1 || sets.allSatisfy { $0.set != nil } && Set(sets.map(\.set)).count == sets.count,
      "\(sets.map { $0.set?.name ?? "?" }) are not several sets")
    precondition(
      !defersGradients || sets.count { $0.gradients != nil } <= 1,
      "gradients of several sets cannot be left to one update")
    self.engine = engine
    self.precision = precision
    self.sets = sets
    self.recomputes = recomputes
    self.defersGradients = defersGradients
    self.adaptation = adaptation
    self.trainingSamples = trainingSamples
    self.profile = profile
    self.onUse = onUse
  }

  /// Creates a tape for a pass through a model whose parameters all belong to one set; see the other initialiser.
  public convenience init(
    engine: Engine, weights: ParameterBuffer, gradients: ParameterBuffer?, recomputes: Bool = false,
    defersGradients: Bool = false, profile: Profile? = nil, onUse: @escaping (Parameter) -> Void = { _ in }
  ) {
    self.init(
      engine: engine, sets: [BoundParameters(nil, weights: weights, gradients: gradients)],
      recomputes: recomputes, defersGradients: defersGradients, profile: profile, onUse: onUse)
  }

  public var isRecording: Bool { hasVariables || sets.contains { $0.gradients != nil } }

  /// A separate tape for a pass with the same weights, without gradients for them.
  public var withoutGradients: Tape {
    Tape(
      engine: engine, sets: sets.map { BoundParameters($0.set, weights: $0.weights) }, adaptation: adaptation,
      onUse: onUse)
  }

  /// Whether the backward pass computes the gradient of `parameter`.
  public func trains(_ parameter: Parameter) -> Bool { sets[index(of: parameter)].gradients != nil }

  /// The index of the bound set to which `parameter` belongs.
  private func index(of parameter: Parameter) -> Int {
    if sets.count == 1 && sets[0].set == nil {
      if adopted == nil { adopted = parameter.set }
      precondition(
        adopted == parameter.set, "\(parameter.name) is of \(parameter.set), not of \(adopted?.name ?? "?")")
      return 0
    }
    guard let index = sets.firstIndex(where: { $0.set == parameter.set }) else {
      preconditionFailure(
        "\(parameter.name) is of \(parameter.set), which is none of \(sets.map { $0.set?.name ?? "?" })")
    }
    return index
  }

  /// An uninitialised input tensor without a gradient, to be filled in by the caller.
  public func input(_ shape: [Int]) -> Tensor {
    Tensor(shape: shape, storage: engine.storage(shape.reduce(1, *)), tape: self, target: .none)
  }

  /// An input tensor of zeros.
  public func zeros(_ shape: [Int]) -> Tensor {
    let zeros = input(shape)
    zeros.elements.update(repeating: 0)
    return zeros
  }

  /// An input tensor that requires a gradient.
  package func variable(_ shape: [Int]) -> Tensor {
    hasVariables = true
    return Tensor(shape: shape, storage: engine.storage(shape.reduce(1, *)), tape: self, target: newSlot())
  }

  /// A tensor that views the values of a parameter.
  ///
  /// - Parameter needsGradient: false if the gradient is known to be zero.
  public func callAsFunction(_ parameter: Parameter, needsGradient: Bool = true) -> Tensor {
    let index = index(of: parameter)
    let (weights, isTrained) = (sets[index].weights, sets[index].gradients != nil)
    let place = ParameterPlace(set: index, offset: parameter.offset)
    precondition(
      parameter.offset + parameter.count <= weights.count,
      "\(parameter.name) lies outside of \(weights.count) weights")
    let getsGradient: Bool
    if isRepeating {
      // The first forward pass has already reported and counted the use, and written the running averages.
      getsGradient = isTrained && needsGradient && parameter.role == .trained
    } else {
      onUse(parameter)
      getsGradient = isTrained && needsGradient && parameter.role != .constant
      if getsGradient { count(parameter, at: place) }
    }
    return Tensor(
      shape: parameter.shape,
      storage: Storage(viewing: weights.pointer + parameter.offset, count: parameter.count, owner: weights),
      tape: self,
      target: getsGradient ? .parameter(place) : .none,
      parameterName: parameter.name)
  }

  /// Counts an upcoming operation that contributes to the gradient of `parameter`.
  private func count(_ parameter: Parameter, at place: ParameterPlace) {
    if parameter.role == .trained { pendingUses[place, default: 0] += 1 }
    if used.insert(place).inserted { unwritten[place] = parameter.count }
  }

  /// Returns the result of `stage`. If this tape recomputes, no intermediate results are kept: the backward pass
  /// recomputes the stage and then differentiates it. Gradients accumulate in the same order as without recomputation,
  /// so they are bit-for-bit the same.
  ///
  /// - Parameter stage: operations on this tape, the same on each call. Nested stages are recomputed as part of the
  ///   outer one.
  public func checkpointed(_ stage: @escaping () -> Tensor) -> Tensor {
    guard recomputes && isRecording && keepsSteps && !isRepeating else { return stage() }
    keepsSteps = false
    let output = stage()
    keepsSteps = true
    guard case .slot(let index) = output.target else { return output }
    steps.append { [unowned self] in
      guard let gradient = slots[index] else { return }
      slots[index] = nil
      isRepeating = true
      let again = stage()
      isRepeating = false
      guard again.shape == output.shape, case .slot(let place) = again.target else {
        preconditionFailure("a stage computed \(output.shape), and then \(again.shape)")
      }
      // The steps of the recomputed operations are now on top of the stack and run next.
      slots[place] = gradient
    }
    return output
  }

  /// Runs the recorded operations backwards from `output`, whose gradient is `gradient`.
  public func backward(from output: Tensor, gradient: Storage) {
    backward(from: output, gradient: gradient) { _ in }
  }

  /// Runs the recorded operations backwards and reports progress.
  ///
  /// - Parameter onStep: called after each operation with the parameters whose gradients have become complete since the
  ///   last call.
  public func backward(
    from output: Tensor, gradient: Storage, onStep: (_ completed: [ParameterPlace]) throws -> Void
  ) rethrows {
    precondition(gradient.count == output.count, "a gradient of \(gradient.count) for \(output.shape)")
    add(gradient, to: output.target)
    while let step = steps.popLast() {
      step()
      for place in completed { pendingUses[place] = Self.noneEver }
      try onStep(completed)
      completed.removeAll(keepingCapacity: true)
    }
    // Parameters that were used but do not contribute to `output`.
    for (place, count) in unwritten { gradients(at: place).update(repeating: 0, count: count) }
    unwritten = [:]
  }

  /// The locations of the parameters that operations have used and whose gradients `backward` will compute.
  public var usedParameters: Set<ParameterPlace> { Set(pendingUses.keys) }

  private func gradients(at place: ParameterPlace) -> UnsafeMutablePointer<Float> {
    guard let gradients = sets[place.set].gradients else { preconditionFailure("\(place) is frozen") }
    return gradients.pointer + place.offset
  }

  /// Zeroes the gradients of those `parameters` that no operation has used, which `backward` does not touch.
  public func clearUnusedGradients(of parameters: [Parameter]) {
    for parameter in parameters {
      let place = ParameterPlace(set: index(of: parameter), offset: parameter.offset)
      guard sets[place.set].gradients != nil, !used.contains(place) else { continue }
      gradients(at: place).update(repeating: 0, count: parameter.count)
    }
  }

  /// The gradient of a variable after `backward`; nil if none reached it.
  package func gradient(of tensor: Tensor) -> Storage? {
    guard case .slot(let index) = tensor.target else { return nil }
    return slots[index]
  }

  // MARK: For operations

  /// Allocates the result of an operation on `inputs`; it needs a gradient if any of them does.
  func result(_ shape: [Int], of inputs: [Tensor]) -> Tensor {
    precondition(inputs.allSatisfy { $0.tape === self }, "an operation on tensors of several tapes")
    let needed = isRecording && inputs.contains { $0.needsGradient }
    defer { profile?.begin(inputs) }
    return Tensor(
      shape: shape, storage: engine.storage(shape.reduce(1, *)), tape: self,
      target: needed ? newSlot() : .none)
  }

  /// Whether an operation with this output records its backward step.
  func keepsStep(of output: Tensor) -> Bool { keepsSteps && output.needsGradient }

  /// Records `step`, which the backward pass calls with the gradient of `output`.
  ///
  /// - Parameters:
  ///   - work: the operation's arithmetic, for operations dominated by it.
  ///   - file: the source file, which names the operation in a profile.
  func record(
    _ output: Tensor, work: @autoclosure () -> Work? = nil, file: StaticString = #fileID,
    _ step: @escaping (_ tape: Tape, _ outputGradient: Storage) -> Void
  ) {
    let operation = profile?.end(output, work: work(), file: file, isRepeated: isRepeating)
    guard keepsSteps, case .slot(let index) = output.target else { return }
    steps.append { [unowned self] in
      guard let gradient = slots[index] else { return }
      slots[index] = nil
      if let profile, let operation {
        profile.measureBackward(operation) { step(self, gradient) }
      } else {
        step(self, gradient)
      }
    }
  }

  /// Accumulates a complete gradient. The storage may be kept without a copy, so it must not be written to afterwards.
  func add(_ gradient: Storage, to target: GradientTarget) {
    switch target {
    case .none: return
    case .slot(let index):
      guard slots[index] != nil else {
        slots[index] = gradient
        return
      }
      // If the stored gradient is shared with another tensor, the sum needs separate memory.
      let isShared = !isKnownUniquelyReferenced(&slots[index])
      guard let stored = slots[index] else { return }
      let sum = isShared ? engine.storage(stored.count) : stored
      Elementwise.add(
        stored.pointer, gradient.pointer, output: sum.pointer, count: stored.count, pool: engine.threads)
      slots[index] = sum
    case .parameter:
      guard let sum = gradientSum(target, count: gradient.count) else { return }
      guard sum.isBegun else { return sum.memory.update(from: gradient.pointer, count: gradient.count) }
      Elementwise.add(
        sum.memory, gradient.pointer, output: sum.memory, count: gradient.count, pool: engine.threads)
    }
  }

  /// Removes and returns the gradient accumulated for `target` so far, for an operation that adds it while writing its
  /// own contribution, and then stores the sum; nil if there is none. The storage may be shared, so it must not be
  /// written to.
  func takeGradient(of target: GradientTarget) -> Storage? {
    guard case .slot(let index) = target else { return nil }
    defer { slots[index] = nil }
    return slots[index]
  }

  /// Memory in which an operation accumulates the gradient of `target` itself, zeroed on first use; nil if `target`
  /// needs none.
  func gradientMemory(_ target: GradientTarget, count: Int) -> UnsafeMutablePointer<Float>? {
    gradientSum(target, count: count).map { sum in
      if !sum.isBegun { sum.memory.update(repeating: 0, count: count) }
      return sum.memory
    }
  }

  /// Memory in which an operation accumulates the gradient of `target` itself, or overwrites it if it is the first to
  /// do so; nil if `target` needs none.
  func gradientSum(_ target: GradientTarget, count: Int) -> GradientSum? {
    switch target {
    case .none: return nil
    case .parameter(let place):
      return GradientSum(gradients(at: place), isBegun: isBegun(at: place))
    case .slot(let index):
      if isKnownUniquelyReferenced(&slots[index]), let stored = slots[index] {
        return .adding(to: stored.pointer)
      }
      let own = engine.storage(count)
      let stored = slots[index]
      if let stored { own.pointer.update(from: stored.pointer, count: count) }
      slots[index] = own
      return GradientSum(own.pointer, isBegun: stored != nil)
    }
  }

  /// Counts a contribution to the gradient of the parameter at `place`, and returns whether there was an earlier one.
  private func isBegun(at place: ParameterPlace) -> Bool {
    if let uses = pendingUses[place] {
      precondition(uses != Self.noneEver, "the gradient at \(place) was given away, and grows again")
      pendingUses[place] = uses - 1
      if uses == 1 { completed.append(place) }
    }
    return unwritten.removeValue(forKey: place) == nil
  }

  /// Whether the gradient of `target` can be deferred to the update: there is no other contribution to it.
  func defersGradient(of target: GradientTarget) -> Bool {
    guard defersGradients, case .parameter(let place) = target else { return false }
    return pendingUses[place] == 1 && unwritten[place] != nil
  }

  /// Defers the gradient of `target` to the update.
  ///
  /// - Parameters:
  ///   - cost: the cost of computing the gradient and of the update.
  ///   - bound, compute: see `FusedWeightGradient`.
  func deferGradient(
    of target: GradientTarget, count: Int, cost: Profile.Cost, bound: Float,
    _ compute: @escaping (_ update: WeightUpdate?) -> Double
  ) {
    guard defersGradient(of: target), case .parameter(let place) = target else {
      preconditionFailure("the gradient of \(target) cannot be deferred")
    }
    _ = isBegun(at: place)
    let operation = profile?.deferring(cost)
    deferred.insert(
      FusedWeightGradient(of: place.offset..<place.offset + count, bound: bound) { [profile] update in
        guard let profile, let operation else { return compute(update) }
        return profile.measure(operation) { compute(update) }
      })
  }

  private func newSlot() -> GradientTarget {
    slots.append(nil)
    return .slot(slots.count - 1)
  }
}
