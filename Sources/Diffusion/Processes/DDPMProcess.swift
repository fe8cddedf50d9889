import Kernels
import Randomness

/// Denoising diffusion in discrete time: q(x_t | x_0) = N(sqrt(ᾱ_t) x_0, (1 - ᾱ_t) I) (Ho et al., 2020, equation 4).
public struct DDPMProcess: DiffusionProcess {
  /// The likelihood in the last term of the variational bound, at t = 0.
  public enum Decoder: Hashable, Sendable {
    /// For bytes mapped to [-1, 1]: the probability of an interval of width 2/255 (Ho et al., 2020, equation 13).
    case pixels
    /// For anything else, such as latents: a density.
    case continuous
  }

  public let schedule: NoiseSchedule
  public let prediction: Prediction
  public let variance: ReverseVariance
  public let loss: PredictionLoss
  public let weighting: LossWeighting
  public let offsetNoise: Double
  /// λ of L_simple + λ L_vlb for learned variances (Nichol and Dhariwal, 2021, equation 16).
  public let boundWeight: Double
  public let decoder: Decoder

  /// Predicting ε requires a schedule that leaves some signal at every timestep.
  public init(
    schedule: NoiseSchedule, prediction: Prediction = .epsilon, variance: ReverseVariance = .fixedSmall,
    loss: PredictionLoss = .huber, weighting: LossWeighting = .uniform, offsetNoise: Double = 0,
    boundWeight: Double = 0.001, decoder: Decoder = .pixels
  ) {
    precondition(
      prediction != .epsilon || schedule.cumulativeAlphas.allSatisfy { $0 > 0 },
      "an ε says nothing of the image at a timestep without signal: predict v or sample")
    precondition(offsetNoise >= 0 && boundWeight >= 0, "offset noise \(offsetNoise), bound \(boundWeight)")
    self.schedule = schedule
    self.prediction = prediction
    self.variance = variance
    self.loss = loss
    self.weighting = weighting
    self.offsetNoise = offsetNoise
    self.boundWeight = boundWeight
    self.decoder = decoder
  }

  /// The same process with another decoder.
  public func decoding(_ decoder: Decoder) -> DDPMProcess {
    DDPMProcess(
      schedule: schedule, prediction: prediction, variance: variance, loss: loss, weighting: weighting,
      offsetNoise: offsetNoise, boundWeight: boundWeight, decoder: decoder)
  }

  public var kind: ProcessKind { .ddpm }
  public var outputsPerChannel: Int { variance == .learnedRange ? 2 : 1 }

  /// The noise level at timestep t in 0..<T.
  public func level(at t: Int) -> NoiseLevel {
    precondition((0..<schedule.timesteps).contains(t), "timestep \(t) of \(schedule.timesteps)")
    let cumulative = schedule.cumulativeAlphas[t]
    let (signal, noise) = (cumulative.squareRoot(), (1 - cumulative).squareRoot())
    let target = prediction.target(signal: signal, noise: noise)
    return NoiseLevel(
      timestep: Float(schedule.modelTimesteps[t]), index: t, signal: signal, noise: noise,
      targetImage: target.image, targetNoise: target.noise,
      weight: weighting.weight(snr: schedule.signalToNoiseRatio(t), prediction: prediction))
  }

  /// Draws t uniformly from 0..<T.
  public func level(drawnFrom stream: RandomStream) -> NoiseLevel {
    level(at: stream.integer(below: schedule.timesteps))
  }

  public func level(atQuantile quantile: Double) -> NoiseLevel {
    level(at: min(Int(quantile * Double(schedule.timesteps)), schedule.timesteps - 1))
  }

  public var defaultSampler: SamplerKind { .ddpm }

  public func readout(at point: PathPoint) -> Readout {
    prediction.readout(signal: point.signal, noise: point.noise)
  }
}
