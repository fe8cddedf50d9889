import DataParallel
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

  /// Updates a rank's parts of weights, moments, average and running averages for the step after `state.step`, and
  /// counts it. The other parts of the weights are the other ranks' to update.
  ///
  /// - Parameters:
  ///   - gradient: the sum over the slices, of the rank's parts at least.
  ///   - slices: by which it is divided.
  ///   - norm: the length of the mean gradient.
  public func update(
    _ state: RankState, gradient: FlatMemory, slices: Int, norm: Double, threads: ThreadPool
  ) {
    state.step += 1
    let clipping = settings.clipNorm > 0 && norm > settings.clipNorm ? settings.clipNorm / norm : 1
    let update = AdamUpdate(
      learningRate: learningRate(step: state.step), beta1: settings.betas[0], beta2: settings.betas[1],
      epsilon: settings.epsilon, weightDecay: settings.weightDecay, isDecayDecoupled: settings.kind == .adamW,
      gradientScale: clipping / Double(slices), averageDecay: averageDecay)
    let segments = state.layout.segments
    for (index, part) in state.parts.enumerated() {
      for segment in segments where segment.range.overlaps(part) {
        let range = segment.range.clamped(to: part)
        let place = range.lowerBound - part.lowerBound
        switch segment.role {
        case .trained:
          update(
            weights: state.weights.pointer + range.lowerBound, gradient: gradient.pointer + range.lowerBound,
            firstMoment: state.firstMoment.pointer(index) + place,
            secondMoment: state.secondMoment.pointer(index) + place,
            average: state.average.pointer(index) + place, count: range.count, step: state.step, pool: threads
          )
        case .runningAverage(let momentum):
          follow(
            gradient.pointer + range.lowerBound, slices: slices, momentum: momentum,
            running: state.weights.pointer + range.lowerBound, average: state.average.pointer(index) + place,
            count: range.count)
        case .constant: break
        }
      }
    }
  }

  /// Moves running averages towards the mean of what the slices found.
  private func follow(
    _ sum: UnsafePointer<Float>, slices: Int, momentum: Float, running: UnsafeMutablePointer<Float>,
    average: UnsafeMutablePointer<Float>, count: Int
  ) {
    let share = 1 / Float(slices)
    let keep = Float(averageDecay)
    for index in 0..<count {
      running[index] += momentum * (sum[index] * share - running[index])
      average[index] += (1 - keep) * (running[index] - average[index])
    }
  }
}
