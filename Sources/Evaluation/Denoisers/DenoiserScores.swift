/// How well a denoiser does on images that it is given: means over all of them.
public struct DenoiserScores: Sendable {
  /// The timesteps that were visited, from the least noise on: what the model is told.
  public let timesteps: [Float]
  /// A timestep's shortest digits, without a point if it is whole.
  public static func text(of timestep: Float) -> String {
    Int(exactly: timestep).map { "\($0)" } ?? "\(timestep)"
  }
  /// How many images were looked at.
  public let images: Int
  /// The training loss at each of `timesteps`.
  public let losses: [Double]
  /// The mean of `losses`: what training minimises, but for weights, if all timesteps were visited.
  public var meanLoss: Double { losses.reduce(0, +) / Double(losses.count) }
  /// The terms of the bound at each of `timesteps`, and that of x_T: bits per dimension. Nil in continuous time, and
  /// where images have no steps to speak of, being floating-point numbers.
  public let bound: Bound?

  public struct Bound: Sendable {
    /// L_{t-1}; L_0, of the values themselves, first.
    public let terms: [Double]
    /// L_T.
    public let prior: Double

    /// The variational bound of -log₂ p(x_0) per value of an image.
    public var total: Double { terms.reduce(prior, +) }
  }
}
