import Checkpoints
import Configuration
import DataParallel
import Kernels
import Layers
import Optimization
import Tensors

/// Turns the sum of the micro-batches' gradients into new weights.
public struct Optimizer: Sendable {
  private let groups: [OptimizerGroup]
  /// The profile of the average that is updated along with the weights; nil if none is kept.
  private let average: EMAProfile?
  private let furtherAverages: [EMAProfile]
  /// Ranges of the flat memory whose parameters are updated in the same way.
  private let segments: [Segment]

  private struct Segment {
    /// The index in `groups`.
    let group: Int
    let role: Parameter.Role
    let isVector: Bool
    let range: Range<Int>
  }

  /// - Parameters:
  ///   - groups: consecutive groups that cover the flat memory.
  ///   - layout: the layout of the parameters to update.
  public init(_ groups: [OptimizerGroup], averages: AverageSettings, layout: ParameterLayout) {
    precondition(
      groups.first?.range.lowerBound == 0 && groups.last?.range.upperBound == layout.flatCount
        && zip(groups, groups.dropFirst()).allSatisfy { $0.range.upperBound == $1.range.lowerBound },
      "\(groups.map(\.range)) are not the parts of \(layout.flatCount)")
    self.groups = groups
    average = averages.first
    furtherAverages = averages.further.map(\.profile)
    segments = groups.enumerated().flatMap { index, group in
      layout.segments(separatingVectors: group.settings.weightDecay > 0 && !group.settings.decaysVectors)
        .filter { $0.range.overlaps(group.range) }
        .map {
          Segment(
            group: index, role: $0.role, isVector: $0.isVector, range: $0.range.clamped(to: group.range))
        }
    }
  }

  /// An optimiser with one group of all parameters.
  public init(_ settings: OptimizerSettings, averages: AverageSettings, layout: ParameterLayout) {
    self.init(
      [OptimizerGroup(settings, range: 0..<layout.flatCount)], averages: averages, layout: layout)
  }

  /// The learning rate of update number `step`, counted from 1, for the first group.
  public func learningRate(step: Int) -> Double { learningRate(step: step, group: 0) }

  private func learningRate(step: Int, group: Int) -> Double {
    groups[group].settings.schedule.rate(at: step - groups[group].start)
  }

  /// The ranges of the flat memory with separate optimisers, in order.
  var ranges: [Range<Int>] { groups.map(\.range) }

  /// Updates a rank's parts of weights, moments, average and running averages for the step after `state.step`, and
  /// increments `state.step`. The other parts of the weights are updated by other ranks.
  ///
  /// - Parameters:
  ///   - gradient: the sum over the micro-batches; only the rank's parts need to be valid.
  ///   - microbatches: the divisor that turns the sum into a mean.
  ///   - norms: the norm of the mean gradient of each group.
  public func update(
    _ state: ShardedState, gradient: ParameterBuffer, microbatches: Int, norms: [Double], threads: ThreadPool
  ) {
    for index in state.parts.indices {
      update(
        part: index, of: state, to: state.values, gradient: gradient, microbatches: microbatches,
        norms: norms,
        threads: threads)
    }
    state.step += 1
  }

  /// Whether the update needs the norm of the whole gradient.
  var needsNorm: Bool { groups.contains { $0.settings.clipNorm > 0 } }

  /// Writes the result of the step after `state.step` for one of a rank's parts.
  ///
  /// - Parameters:
  ///   - values: destination; may be the state's own values.
  ///   - gradient: may be the memory of `values.weights`.
  ///   - norms: the norms of the gradients; nil unless `needsNorm`.
  ///   - excluded: ranges left unchanged.
  func update(
    part index: Int, excluding excluded: [Range<Int>] = [], of state: ShardedState,
    to values: ShardedState.Values, gradient: ParameterBuffer, microbatches: Int, norms: [Double]?,
    threads: ThreadPool
  ) {
    let step = state.step + 1
    let part = state.parts[index]
    for segment in segments where segment.range.overlaps(part) {
      for range in segment.range.clamped(to: part).subtracting(excluded) {
        let gradient = gradient.pointer + range.lowerBound
        let old = state.values.pointers(part: index, at: range.lowerBound)
        let new = values.pointers(part: index, at: range.lowerBound)
        let number = step - groups[segment.group].start
        switch segment.role {
        case .trained where number < 1:
          Self.copy(old, to: new, count: range.count)
        case .trained:
          var update = adam(
            step: step, microbatches: microbatches, norm: norms?[segment.group] ?? 0, group: segment.group)
          if segment.isVector { update.weightDecay = 0 }
          update(old, to: new, gradient: gradient, count: range.count, step: number, pool: threads)
        case .runningAverage(let momentum):
          follow(
            gradient, microbatches: microbatches, momentum: momentum, averageDecay: averageDecay(step: step),
            from: old, to: new, count: range.count)
        case .constant:
          Self.copy(old, to: new, count: range.count)
        }
      }
    }
  }

  /// Copies values that are not updated.
  private static func copy(_ old: AdamUpdate.Values, to new: AdamUpdate.Values, count: Int) {
    guard new.weights != old.weights else { return }
    new.weights.update(from: old.weights, count: count)
    new.firstMoment.update(from: old.firstMoment, count: count)
    new.secondMoment.update(from: old.secondMoment, count: count)
    // If no average is kept, `ema` aliases the weights.
    if new.ema != new.weights { new.ema.update(from: old.ema, count: count) }
  }

  /// The update of the parameters at `offset` in the step after `state.step`.
  func adamStep(_ state: ShardedState, microbatches: Int, at offset: Int) -> AdamStep {
    guard let group = groups.firstIndex(where: { $0.range.contains(offset) }) else {
      preconditionFailure("\(offset) lies in none of \(ranges)")
    }
    let step = state.step + 1
    return AdamStep(
      adam(step: step, microbatches: microbatches, norm: 0, group: group), number: step - groups[group].start)
  }

  /// The update for step number `step`; parameters as for `update`.
  private func adam(step: Int, microbatches: Int, norm: Double, group: Int) -> AdamUpdate {
    let settings = groups[group].settings
    let clipping = settings.clipNorm > 0 && norm > settings.clipNorm ? settings.clipNorm / norm : 1
    return AdamUpdate(
      learningRate: learningRate(step: step, group: group), beta1: settings.betas[0],
      beta2: settings.betas[1],
      epsilon: settings.epsilon, weightDecay: settings.weightDecay, isDecayDecoupled: settings.kind == .adamW,
      gradientScale: clipping / Double(microbatches), emaDecay: averageDecay(step: step))
  }

  private func averageDecay(step: Int) -> Double { average?.decay(at: step) ?? 0 }

  /// Updates a rank's parts of the further averages with the weights produced by update number `state.step`.
  package func followWithFurtherAverages(_ state: ShardedState, threads: ThreadPool) {
    for (profile, shard) in zip(furtherAverages, state.furtherAverages) {
      let decay = profile.decay(at: state.step)
      let follow = MovingAverage(decay: decay)
      for (index, part) in shard.parts.enumerated() {
        for segment in segments where segment.range.overlaps(part) {
          let range = segment.range.clamped(to: part)
          let average = shard.pointer(index) + (range.lowerBound - part.lowerBound)
          let weights = state.weights.pointer + range.lowerBound
          switch segment.role {
          case .trained: follow(average, of: weights, count: range.count, pool: threads)
          case .runningAverage:
            for place in 0..<range.count {
              average[place] = Self.averaged(average[place], weights[place], keep: Float(decay))
            }
          case .constant: break
          }
        }
      }
    }
  }

  /// Moves the running averages towards the mean of the micro-batches' statistics.
  private func follow(
    _ sum: UnsafePointer<Float>, microbatches: Int, momentum: Float, averageDecay: Double,
    from old: AdamUpdate.Values, to new: AdamUpdate.Values, count: Int
  ) {
    let share = 1 / Float(microbatches)
    let keep = Float(averageDecay)
    for index in 0..<count {
      let running = old.weights[index]
      let moved = running + momentum * (sum[index] * share - running)
      // Without an average, `ema` aliases the weights.
      let ema = old.ema == old.weights ? moved : old.ema[index]
      new.weights[index] = moved
      new.ema[index] = Self.averaged(ema, moved, keep: keep)
    }
  }

  /// One step of an average towards `running`; exact if both are equal.
  private static func averaged(_ average: Float, _ running: Float, keep: Float) -> Float {
    average + (1 - keep) * (running - average)
  }
}
