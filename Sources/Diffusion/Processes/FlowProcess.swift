import Foundation
import Kernels
import Randomness

/// Rectified flow: x_t = (1 - t) x_0 + t ε, with a network that predicts the velocity ε - x_0 (Liu et al., 2023,
/// equation 1; t = 1 is noise, as in Esser et al., 2024).
public struct FlowProcess: DiffusionProcess {
  /// How training draws t.
  public enum TimeDistribution: Hashable, Sendable {
    case uniform
    /// logit(t) is normal (Esser et al., 2024, equation 19).
    case logitNormal(mean: Double, deviation: Double)
  }

  /// The factor by which t is multiplied for the network's timestep input.
  public let timesteps: Int
  public let times: TimeDistribution
  /// s of t' = s t / (1 + (s - 1) t), in training and sampling: larger values give more noise, for larger images (Esser
  /// et al., 2024, equation 23).
  public let shift: Double
  public let loss: PredictionLoss
  public let offsetNoise: Double

  public init(
    timesteps: Int = 1000, times: TimeDistribution = .uniform, shift: Double = 1, loss: PredictionLoss = .l2,
    offsetNoise: Double = 0
  ) {
    precondition(timesteps >= 1 && shift > 0 && offsetNoise >= 0, "T \(timesteps), shift \(shift)")
    self.timesteps = timesteps
    self.times = times
    self.shift = shift
    self.loss = loss
    self.offsetNoise = offsetNoise
  }

  public var kind: ProcessKind { .flow }

  public func shifted(_ t: Double) -> Double { shift * t / (1 + (shift - 1) * t) }

  /// The level at time t in (0, 1], after shifting.
  public func level(time t: Double) -> NoiseLevel {
    precondition(t > 0 && t <= 1, "a time of \(t)")
    return NoiseLevel(
      timestep: Float(t * Double(timesteps)), signal: 1 - t, noise: t, targetImage: -1, targetNoise: 1)
  }

  public func level(drawnFrom stream: RandomStream) -> NoiseLevel {
    switch times {
    case .uniform: level(atQuantile: (Double(stream.bits() >> 12) + 0.5) * 0x1p-52)
    case .logitNormal(let mean, let deviation): level(logit: mean + deviation * stream.normal())
    }
  }

  public func level(atQuantile quantile: Double) -> NoiseLevel {
    switch times {
    case .uniform: level(time: shifted(quantile))
    case .logitNormal(let mean, let deviation):
      level(logit: mean + deviation * Gaussian.quantile(quantile))
    }
  }

  private func level(logit: Double) -> NoiseLevel { level(time: shifted(1 / (1 + exp(-logit)))) }

  public var defaultSampler: SamplerKind { .euler }

  /// x_0 = x - t v, ε = x + (1 - t) v.
  public func readout(at point: PathPoint) -> Readout {
    Readout(imageFromX: 1, imageFromOutput: -point.noise, noiseFromX: 1, noiseFromOutput: point.signal)
  }
}
