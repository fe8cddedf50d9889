/// How noise is added to a sample, x = α x_0 + σ ε, and the network's target there.
public struct NoiseLevel: Hashable, Sendable {
  /// The network's timestep input; fractional in continuous time.
  public let timestep: Float
  /// t in 0..<T of a discrete process; nil in continuous time.
  public let index: Int?
  /// α.
  public let signal: Double
  /// σ.
  public let noise: Double
  /// The factor applied to x before it enters the network.
  public let inputScale: Double
  /// The target is `targetImage` x_0 + `targetNoise` ε.
  public let targetImage: Double
  public let targetNoise: Double
  /// The weight of the sample's loss.
  public let weight: Double

  public init(
    timestep: Float, index: Int? = nil, signal: Double, noise: Double, inputScale: Double = 1,
    targetImage: Double, targetNoise: Double, weight: Double = 1
  ) {
    self.timestep = timestep
    self.index = index
    self.signal = signal
    self.noise = noise
    self.inputScale = inputScale
    self.targetImage = targetImage
    self.targetNoise = targetNoise
    self.weight = weight
  }
}
