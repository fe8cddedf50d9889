import Foundation

/// A point on the path from noise to image, where x = `signal` x_0 + `noise` ε.
///
/// Samplers formulated in terms of noise levels σ (Karras et al., 2022) use x with `signal` 1 even if the network was
/// trained on x_t, in which the image has the factor sqrt(ᾱ_t); the readout scales the network's input.
public struct PathPoint: Hashable, Sendable {
  /// The network's timestep input.
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
  /// From noise to image: one point per step, at least one.
  public var points: [PathPoint]
  /// The point at which the last step ends.
  public var end: PathPoint
  /// The factor applied to the initial noise of unit variance.
  public var startScale: Double
  /// β of each step, for ancestral sampling over discrete timesteps; empty elsewhere.
  public var betas: [Double] = []
  /// Moves a point to a higher noise level and the corresponding timestep; needed for churn.
  var raised: @Sendable (PathPoint, Double) -> PathPoint = { point, _ in point }

  /// The point at which step `index` ends.
  func next(_ index: Int) -> PathPoint { index + 1 < points.count ? points[index + 1] : end }

  public static func == (a: SamplingPath, b: SamplingPath) -> Bool {
    a.points == b.points && a.end == b.end && a.startScale == b.startScale && a.betas == b.betas
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(points)
    hasher.combine(startScale)
  }
}
