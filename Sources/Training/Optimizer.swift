import Kernels
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

  /// Updates weights, moments and average for the step after `state.step`, and counts it.
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
    update(
      weights: state.weights.pointer, gradient: gradient.pointer, firstMoment: state.firstMoment.pointer,
      secondMoment: state.secondMoment.pointer, average: state.average.pointer, count: gradient.count,
      step: state.step, pool: threads)
  }
}
