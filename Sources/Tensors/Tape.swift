import Kernels

/// A forward pass and, if it is recorded, the way back: each operation leaves a closure that turns its output's
/// gradient into its inputs'.
///
/// A closure holds only what it needs, and goes when it has run; so memory falls as the backward pass proceeds. A
/// tape serves one pass, on one thread (operations use the engine's threads inside).
public final class Tape {
  public let engine: Engine
  private let sets: [BoundParameters]
  /// What changes weights of the sets; nil: nothing.
  let adaptation: (any WeightAdaptation)?
  /// What layers draw random numbers by; nil: they leave out what is random.
  public let trainingSamples: TrainingSamples?
  /// The set of the one that was bound without saying of which it is, when it is known.
  private var adopted: ParameterSetIdentity?
  private let profile: Profile?
  private let onUse: (Parameter) -> Void
  private let recomputes: Bool
  private let defersGradients: Bool
  /// The gradients that the backward pass has left to whoever updates the parameters.
  public private(set) var deferred = FusedWeightGradients()
  /// Whether operations leave their way back; not on a stage's way forth, if it is computed again.
  private var keepsSteps = true
  /// Whether a stage is computed again.
  private var isRepeating = false
  private var slots: [Storage?] = []
  private var steps: [() -> Void] = []
  /// How many operations are still to add to the gradient of the parameter at each place.
  private var pendingUses: [ParameterPlace: Int] = [:]
  /// Parameters that operations have used and whose gradients none has written yet: their sizes by their places.
  private var unwritten: [ParameterPlace: Int] = [:]
  /// The places of all parameters that get gradients from operations.
  private var used: Set<ParameterPlace> = []
  /// The places at which none were left since the last report.
  private var completed: [ParameterPlace] = []
  /// In the place of uses: the gradient has been reported as complete.
  private static let noneEver = Int.min

  /// A pass through models whose parameters belong to `sets`. Using one that belongs to none of them is a mistake of
  /// the caller. If no set has gradients, no backward pass follows, and nothing is recorded.
  ///
  /// - Parameters:
  ///   - recomputes: whether stages keep only their inputs for the backward pass, see `checkpointed`.
  ///   - defersGradients: whether gradients that are larger than what they are made of may be left to the update: then
  ///     `deferred` has them, and their place in `gradients` is not touched.
  ///   - adaptation: what changes weights on this pass, whose own parameters are one of the sets.
  ///   - trainingSamples: what layers draw random numbers by; nil: they leave out what is random.
  ///   - profile: what is told of every operation; nil: nothing is measured.
  ///   - onUse: called before an operation uses a parameter, whose values may be written until it returns.
  public init(
    engine: Engine, sets: [BoundParameters], recomputes: Bool = false, defersGradients: Bool = false,
    adaptation: (any WeightAdaptation)? = nil, trainingSamples: TrainingSamples? = nil,
    profile: Profile? = nil, onUse: @escaping (Parameter) -> Void = { _ in }
  ) {
    precondition(
      sets.count <= 1 || sets.allSatisfy { $0.set != nil } && Set(sets.map(\.set)).count == sets.count,
      "\(sets.map { $0.set?.name ?? "?" }) are not several sets")
    precondition(
      !defersGradients || sets.count { $0.gradients != nil } <= 1,
      "gradients of several sets cannot be left to one update")
    self.engine = engine
    self.sets = sets
    self.recomputes = recomputes
    self.defersGradients = defersGradients
    self.adaptation = adaptation
    self.trainingSamples = trainingSamples
    self.profile = profile
    self.onUse = onUse
  }

  /// A pass through a model whose parameters are all of one set, see the other initialiser.
  public convenience init(
    engine: Engine, weights: ParameterBuffer, gradients: ParameterBuffer?, recomputes: Bool = false,
    defersGradients: Bool = false, profile: Profile? = nil, onUse: @escaping (Parameter) -> Void = { _ in }
  ) {
    self.init(
      engine: engine, sets: [BoundParameters(nil, weights: weights, gradients: gradients)],
      recomputes: recomputes, defersGradients: defersGradients, profile: profile, onUse: onUse)
  }

  public var isRecording: Bool { sets.contains { $0.gradients != nil } }

  /// Whether the backward pass computes the gradient of `parameter`.
  public func trains(_ parameter: Parameter) -> Bool { sets[index(of: parameter)].gradients != nil }

  /// The set of `parameter` among those that are bound.
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

  /// An input, which gets no gradient; its elements are to be filled by the caller.
  public func input(_ shape: [Int]) -> Tensor {
    Tensor(shape: shape, storage: engine.storage(shape.reduce(1, *)), tape: self, target: .none)
  }

  /// An input of zeros.
  public func zeros(_ shape: [Int]) -> Tensor {
    let zeros = input(shape)
    zeros.elements.update(repeating: 0)
    return zeros
  }

  /// An input that gets a gradient: for tests of operations.
  package func variable(_ shape: [Int]) -> Tensor {
    Tensor(shape: shape, storage: engine.storage(shape.reduce(1, *)), tape: self, target: newSlot())
  }

  /// The values of a parameter.
  ///
  /// - Parameter needsGradient: false where it is known that the gradient is zero.
  public func callAsFunction(_ parameter: Parameter, needsGradient: Bool = true) -> Tensor {
    let index = index(of: parameter)
    let (weights, isTrained) = (sets[index].weights, sets[index].gradients != nil)
    let place = ParameterPlace(set: index, offset: parameter.offset)
    precondition(
      parameter.offset + parameter.count <= weights.count,
      "\(parameter.name) lies outside of \(weights.count) weights")
    let getsGradient: Bool
    if isRepeating {
      // The use has been announced and counted, and the running averages were left on the way forth.
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

  /// An operation is to come that gives `parameter` a gradient.
  private func count(_ parameter: Parameter, at place: ParameterPlace) {
    if parameter.role == .trained { pendingUses[place, default: 0] += 1 }
    if used.insert(place).inserted { unwritten[place] = parameter.count }
  }

  /// The result of `stage`, of which nothing is kept, if this tape recomputes: the way back computes it again, and goes
  /// on through it. All gradients are added up in the order in which they were without, so their bits are the same.
  ///
  /// - Parameter stage: operations on this tape, the same each time that it is called. A stage inside of it is a part
  ///   of it.
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
      // The steps of its operations are now those to be taken next.
      slots[place] = gradient
    }
    return output
  }

  /// Runs the recorded operations backwards from `output`, whose gradient is `gradient`.
  public func backward(from output: Tensor, gradient: Storage) {
    backward(from: output, gradient: gradient) { _ in }
  }

  /// As the other `backward`, telling what is done.
  ///
  /// - Parameter onStep: called after each of them with the places of the parameters whose gradients are complete
  ///   since the last call.
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
    // What was used, but has no part in `output`.
    for (place, count) in unwritten { gradients(at: place).update(repeating: 0, count: count) }
    unwritten = [:]
  }

  /// Parameters that an operation has used, by their places: those whose gradients `backward` will make.
  public var usedParameters: Set<ParameterPlace> { Set(pendingUses.keys) }

  private func gradients(at place: ParameterPlace) -> UnsafeMutablePointer<Float> {
    guard let gradients = sets[place.set].gradients else { preconditionFailure("\(place) is frozen") }
    return gradients.pointer + place.offset
  }

  /// Zeros for the gradients of those of `parameters` that no operation has used: `backward` leaves them alone.
  public func clearUnusedGradients(of parameters: [Parameter]) {
    for parameter in parameters {
      let place = ParameterPlace(set: index(of: parameter), offset: parameter.offset)
      guard sets[place.set].gradients != nil, !used.contains(place) else { continue }
      gradients(at: place).update(repeating: 0, count: parameter.count)
    }
  }

  /// The gradient of `tensor` after `backward`, for tests; nil if none reached it.
  package func gradient(of tensor: Tensor) -> Storage? {
    guard case .slot(let index) = tensor.target else { return nil }
    return slots[index]
  }

  // MARK: For operations

  /// The result of an operation on `inputs`: it needs a gradient if one of them does.
  func result(_ shape: [Int], of inputs: [Tensor]) -> Tensor {
    precondition(inputs.allSatisfy { $0.tape === self }, "an operation on tensors of several tapes")
    let needed = isRecording && inputs.contains { $0.needsGradient }
    defer { profile?.begin(inputs) }
    return Tensor(
      shape: shape, storage: engine.storage(shape.reduce(1, *)), tape: self,
      target: needed ? newSlot() : .none)
  }

  /// Whether an operation with this output is to leave its way back.
  func keepsStep(of output: Tensor) -> Bool { keepsSteps && output.needsGradient }

  /// Leaves `step`, which gets the gradient of `output` when the way back comes by.
  ///
  /// - Parameters:
  ///   - work: the arithmetic of an operation whose time goes there.
  ///   - file: what a profile calls the operation by.
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

  /// Adds a whole gradient. It may be kept as it is, so nobody may write to it afterwards.
  func add(_ gradient: Storage, to target: GradientTarget) {
    switch target {
    case .none: return
    case .slot(let index):
      guard slots[index] != nil else {
        slots[index] = gradient
        return
      }
      // The stored gradient may belong to another tensor as well: then the sum needs memory of its own.
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

  /// What other operations have given to the gradient of `target` so far, for one that adds it to its own part where it
  /// writes that, and gives the sum; nil if there is nothing yet. It may belong to others as well: nobody may write to it.
  func takeGradient(of target: GradientTarget) -> Storage? {
    guard case .slot(let index) = target else { return nil }
    defer { slots[index] = nil }
    return slots[index]
  }

  /// Memory for an operation that adds to the gradient of `target` itself; nil if `target` needs none.
  func gradientMemory(_ target: GradientTarget, count: Int) -> UnsafeMutablePointer<Float>? {
    gradientSum(target, count: count).map { sum in
      if !sum.isBegun { sum.memory.update(repeating: 0, count: count) }
      return sum.memory
    }
  }

  /// Memory for an operation that adds to the gradient of `target` itself, or writes it if it is the first; nil if
  /// `target` needs none.
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

  /// An operation adds to the gradient of the parameter at `place`, or makes it; whether another one has before.
  private func isBegun(at place: ParameterPlace) -> Bool {
    if let uses = pendingUses[place] {
      precondition(uses != Self.noneEver, "the gradient at \(place) was given away, and grows again")
      pendingUses[place] = uses - 1
      if uses == 1 { completed.append(place) }
    }
    return unwritten.removeValue(forKey: place) == nil
  }

  /// Whether the gradient of `target` can be left to the update: nothing else is or was added to it.
  func defersGradient(of target: GradientTarget) -> Bool {
    guard defersGradients, case .parameter(let place) = target else { return false }
    return pendingUses[place] == 1 && unwritten[place] != nil
  }

  /// Leaves the gradient of `target` to the update.
  ///
  /// - Parameters:
  ///   - cost: of making it, and of the update.
  ///   - bound: see `FusedWeightGradient`, as for `compute`.
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
