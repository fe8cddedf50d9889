import Foundation

/// A place on the way from noise to image: x = `signal` x_0 + `noise` ε there.
///
/// Samplers that are written for noise levels σ (Karras et al., 2022) have x with the whole image, `signal` 1, also
/// where the network was trained on x_t with sqrt(ᾱ_t) of it; the readout scales what the network sees.
public struct PathPoint: Hashable, Sendable {
  /// What the network is told.
  public var timestep: Double
  public var signal: Double
  public var noise: Double

  public init(timestep: Double, signal: Double, noise: Double) {
    self.timestep = timestep
    self.signal = signal
    self.noise = noise
  }

  /// The end of a path: the image.
  public static var image: PathPoint { PathPoint(timestep: 0, signal: 1, noise: 0) }

  /// λ = ln(α / σ), half the logarithm of the signal-to-noise ratio.
  var logSNR: Double { log(signal / noise) }
}

/// The points that a sampler visits.
public struct SamplingPath: Hashable, Sendable {
  /// From noise to image: one for each step, at least one.
  public var points: [PathPoint]
  /// Where the last step leads.
  public var end: PathPoint
  /// What first noise of unit variance is multiplied by.
  public var startScale: Double
  /// β of each step, for ancestral sampling over discrete timesteps; empty elsewhere.
  public var betas: [Double] = []
  /// Moves a point to a higher noise level, with the timestep of that: what churn needs.
  var raised: @Sendable (PathPoint, Double) -> PathPoint = { point, _ in point }

  /// Where step `index` leads.
  func next(_ index: Int) -> PathPoint { index + 1 < points.count ? points[index + 1] : end }

  public static func == (a: SamplingPath, b: SamplingPath) -> Bool {
    a.points == b.points && a.end == b.end && a.startScale == b.startScale && a.betas == b.betas
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(points)
    hasher.combine(startScale)
  }
}
