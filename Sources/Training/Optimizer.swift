import Checkpoints
import Configuration
import DataParallel
import Kernels
import Layers
import Optimization
import Tensors

/// Turns the sum of the micro-batches' gradients into new weights.
public struct Optimizer: Sendable {
  private let settings: OptimizerSettings
  /// The profile of the average that is updated along with the weights; nil if none is kept.
  private let average: EMAProfile?
  private let furtherAverages: [EMAProfile]
  /// Ranges of the flat memory whose parameters are updated in the same way.
  private let segments: [ParameterLayout.Segment]

  /// - Parameter layout: the layout of the parameters to update.
  public init(_ settings: OptimizerSettings, averages: AverageSettings, layout: ParameterLayout) {
    self.settings = settings
    average = averages.first
    furtherAverages = averages.further.map(\.profile)
    segments = layout.segments(separatingVectors: settings.weightDecay > 0 && !settings.decaysVectors)
  }

  /// The learning rate of update number `step`, counted from 1.
  public func learningRate(step: Int) -> Double {
    settings.schedule.rate(at: step)
  }

  /// Updates a rank's parts of weights, moments, average and running averages for the step after `state.step`, and
  /// increments `state.step`. The other parts of the weights are updated by other ranks.
  ///
  /// - Parameters:
  ///   - gradient: the sum over the micro-batches; only the rank's parts need to be valid.
  ///   - microbatches: the divisor that turns the sum into a mean.
  ///   - norm: the norm of the mean gradient.
  public func update(
    _ state: ShardedState, gradient: ParameterBuffer, microbatches: Int, norm: Double, threads: ThreadPool
  ) {
    for index in state.parts.indices {
      update(
        part: index, of: state, to: state.values, gradient: gradient, microbatches: microbatches, norm: norm,
        threads: threads)
    }
    state.step += 1
  }

  /// Whether the update needs the norm of the whole gradient.
  var needsNorm: Bool { settings.clipNorm > 0 }

  /// Writes the result of the step after `state.step` for one of a rank's parts.
  ///
  /// - Parameters:
  ///   - values: destination; may be the state's own values.
  ///   - gradient: may be the memory of `values.weights`.
  ///   - norm: the norm of the whole gradient; ignored unless `needsNorm`.
  ///   - excluded: ranges left unchanged.
  func update(
    part index: Int, excluding excluded: [Range<Int>] = [], of state: ShardedState,
    to values: ShardedState.Values, gradient: ParameterBuffer, microbatches: Int, norm: Double,
    threads: ThreadPool
  ) {
    let step = state.step + 1
    let decaying = adam(step: step, microbatches: microbatches, norm: norm)
    var undecayed = decaying
    undecayed.weightDecay = 0
    let part = state.parts[index]
    for segment in segments where segment.range.overlaps(part) {
      for range in segment.range.clamped(to: part).subtracting(excluded) {
        let gradient = gradient.pointer + range.lowerBound
        let old = state.values.pointers(part: index, at: range.lowerBound)
        let new = values.pointers(part: index, at: range.lowerBound)
        switch segment.role {
        case .trained:
          let update = segment.isVector ? undecayed : decaying
          update(old, to: new, gradient: gradient, count: range.count, step: step, pool: threads)
        case .runningAverage(let momentum):
          follow(
            gradient, microbatches: microbatches, momentum: momentum, averageDecay: averageDecay(step: step),
            from: old, to: new, count: range.count)
        case .constant:
          guard new.weights != old.weights else { break }
          new.weights.update(from: old.weights, count: range.count)
          new.ema.update(from: old.ema, count: range.count)
        }
      }
    }
  }

  /// The Adam update of step number `step`; parameters as for `update`.
  func adam(step: Int, microbatches: Int, norm: Double) -> AdamUpdate {
    let clipping = needsNorm && norm > settings.clipNorm ? settings.clipNorm / norm : 1
    return AdamUpdate(
      learningRate: learningRate(step: step), beta1: settings.betas[0], beta2: settings.betas[1],
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
