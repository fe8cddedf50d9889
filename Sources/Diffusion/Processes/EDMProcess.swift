import Foundation
import Kernels
import Randomness

/// Continuous noise levels σ with a preconditioned network: x = x_0 + σ ε, D(x; σ) = c_skip x + c_out F(c_in x;
/// c_noise) (Karras et al., 2022, equation 7 and table 1, last column).
public struct EDMProcess: DiffusionProcess {
  /// The standard deviation of the data.
  public let sigmaData: Double
  /// In training, ln σ is normally distributed with this mean and standard deviation.
  public let logMean: Double
  public let logDeviation: Double
  /// Sampling goes from `sigmaMax` to `sigmaMin`, then to 0.
  public let sigmaMin: Double
  public let sigmaMax: Double
  public let loss: PredictionLoss
  public let offsetNoise: Double

  public init(
    sigmaData: Double = 0.5, logMean: Double = -1.2, logDeviation: Double = 1.2, sigmaMin: Double = 0.002,
    sigmaMax: Double = 80, loss: PredictionLoss = .l2, offsetNoise: Double = 0
  ) {
    precondition(
      sigmaData > 0 && logDeviation > 0 && 0 < sigmaMin && sigmaMin < sigmaMax && offsetNoise >= 0,
      "σ of the data \(sigmaData), deviation \(logDeviation), σ from \(sigmaMin) to \(sigmaMax)")
    self.sigmaData = sigmaData
    self.logMean = logMean
    self.logDeviation = logDeviation
    self.sigmaMin = sigmaMin
    self.sigmaMax = sigmaMax
    self.loss = loss
    self.offsetNoise = offsetNoise
  }

  public var kind: ProcessKind { .edm }

  public func skip(_ sigma: Double) -> Double { sigmaData * sigmaData / variance(sigma) }
  public func outputScale(_ sigma: Double) -> Double { sigma * sigmaData / variance(sigma).squareRoot() }
  public func inputScale(_ sigma: Double) -> Double { 1 / variance(sigma).squareRoot() }
  /// c_noise = ln(σ) / 4, the network's timestep input.
  public func timestep(_ sigma: Double) -> Double { log(sigma) / 4 }
  /// λ(σ), the weight of ‖D - x_0‖².
  public func lossWeight(_ sigma: Double) -> Double {
    variance(sigma) / (sigma * sigma * sigmaData * sigmaData)
  }

  private func variance(_ sigma: Double) -> Double { sigma * sigma + sigmaData * sigmaData }

  /// The network's target is (x_0 - c_skip x) / c_out, weighted by λ c_out², which is 1 (equation 8).
  public func level(sigma: Double) -> NoiseLevel {
    precondition(sigma > 0, "a noise level of \(sigma)")
    let scale = outputScale(sigma)
    return NoiseLevel(
      timestep: Float(timestep(sigma)), signal: 1, noise: sigma, inputScale: inputScale(sigma),
      targetImage: (1 - skip(sigma)) / scale, targetNoise: -skip(sigma) * sigma / scale,
      weight: lossWeight(sigma) * scale * scale)
  }

  public func level(drawnFrom stream: RandomStream) -> NoiseLevel {
    level(sigma: exp(logMean + logDeviation * stream.normal()))
  }

  public func level(atQuantile quantile: Double) -> NoiseLevel {
    level(sigma: exp(logMean + logDeviation * Gaussian.quantile(quantile)))
  }

  public var defaultSampler: SamplerKind { .heun }

  public func readout(at point: PathPoint) -> Readout {
    precondition(point.signal == 1, "EDM's x holds the whole image, not \(point.signal) of it")
    let (skip, scale) = (skip(point.noise), outputScale(point.noise))
    return Readout(
      inputScale: inputScale(point.noise), imageFromX: skip, imageFromOutput: scale,
      noiseFromX: (1 - skip) / point.noise, noiseFromOutput: -scale / point.noise)
  }
}

extension RandomStream {
  /// The first standard normal number of the stream.
  func normal() -> Double {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 1) { value in
      fillNormal(value)
      return Double(value[0])
    }
  }
}
