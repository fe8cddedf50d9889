import Kernels
import Layers
import Tensors

/// Turns the sum of the slices' gradients into new weights.
public struct Optimizer: Sendable {
  private let settings: OptimizerSettings
  private let averageDecay: Double

  public init(_ settings: OptimizerSettings, averageDecay: Double) {
    self.settings = settings
    self.averageDecay = averageDecay
  }

  /// The learning rate of update number `step`, from 1.
  public func learningRate(step: Int) -> Double {
    settings.learningRate * min(1, Double(step) / Double(max(settings.warmupSteps, 1)))
  }

  /// Updates weights, moments, average and running averages for the step after `state.step`, and counts it.
  ///
  /// - Parameters:
  ///   - gradient: the sum over the slices.
  ///   - slices: by which it is divided.
  ///   - norm: the length of the mean gradient.
  public func update(
    _ state: TrainingState, gradient: FlatMemory, slices: Int, norm: Double, threads: ThreadPool
  ) {
    state.step += 1
    let clipping = settings.clipNorm > 0 && norm > settings.clipNorm ? settings.clipNorm / norm : 1
    let update = AdamUpdate(
      learningRate: learningRate(step: state.step), beta1: settings.betas[0], beta2: settings.betas[1],
      epsilon: settings.epsilon, weightDecay: settings.weightDecay, isDecayDecoupled: settings.kind == .adamW,
      gradientScale: clipping / Double(slices), averageDecay: averageDecay)
    for segment in state.layout.segments {
      let start = segment.range.lowerBound
      switch segment.role {
      case .trained:
        update(
          weights: state.weights.pointer + start, gradient: gradient.pointer + start,
          firstMoment: state.firstMoment.pointer + start, secondMoment: state.secondMoment.pointer + start,
          average: state.average.pointer + start, count: segment.range.count, step: state.step, pool: threads)
      case .runningAverage(let momentum):
        follow(segment.range, in: state, sum: gradient, slices: slices, momentum: momentum)
      case .constant: break
      }
    }
  }

  /// Moves running averages towards the mean of what the slices found.
  private func follow(
    _ range: Range<Int>, in state: TrainingState, sum: FlatMemory, slices: Int, momentum: Float
  ) {
    let share = 1 / Float(slices)
    let keep = Float(averageDecay)
    for index in range {
      let running = state.weights.pointer + index
      running.pointee += momentum * (sum.pointer[index] * share - running.pointee)
      let average = state.average.pointer + index
      average.pointee += (1 - keep) * (running.pointee - average.pointee)
    }
  }

  /// The length of the mean gradient, of what is trained.
  ///
  /// - Parameter gradient: the sum over the slices.
  public static func norm(
    of gradient: FlatMemory, layout: ParameterLayout, slices: Int, threads: ThreadPool
  ) -> Double {
    let squares = layout.segments.filter { $0.role == .trained }.map {
      Reduction.sumOfSquares(gradient.pointer + $0.range.lowerBound, count: $0.range.count, pool: threads)
    }
    return squares.reduce(0, +).squareRoot() / Double(slices)
  }
}
