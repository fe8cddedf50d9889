/// How one sample is made noisy, and what the network is asked for there: x = α x_0 + σ ε.
public struct NoiseLevel: Hashable, Sendable {
  /// What the network is told; fractional in continuous time.
  public let timestep: Float
  /// t in 0..<T of a discrete process; nil in continuous time.
  public let index: Int?
  /// α.
  public let signal: Double
  /// σ.
  public let noise: Double
  /// What x is multiplied by before the network sees it.
  public let inputScale: Double
  /// The target is `targetImage` x_0 + `targetNoise` ε.
  public let targetImage: Double
  public let targetNoise: Double
  /// The factor of the sample's loss.
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
