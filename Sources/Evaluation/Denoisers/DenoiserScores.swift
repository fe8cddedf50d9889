/// The quality of a denoiser on given images: means over all of them.
public struct DenoiserScores: Sendable {
  /// The evaluated timesteps, as passed to the model, in order of increasing noise.
  public let timesteps: [Float]
  /// A timestep in its shortest decimal form, without a point if it is an integer.
  public static func text(of timestep: Float) -> String {
    Int(exactly: timestep).map { "\($0)" } ?? "\(timestep)"
  }
  /// The number of evaluated images.
  public let images: Int
  /// The training loss at each of `timesteps`.
  public let losses: [Double]
  /// The mean of `losses`: the training objective without weights, if all timesteps were evaluated.
  public var meanLoss: Double { losses.reduce(0, +) / Double(losses.count) }
  /// The terms of the bound at each of `timesteps`, and that of x_T, in bits per dimension. nil in continuous time, and
  /// for images of floating-point numbers, which are not quantised.
  public let bound: Bound?

  public struct Bound: Sendable {
    /// L_{t-1}; the first is L_0, the likelihood of the values.
    public let terms: [Double]
    /// L_T.
    public let prior: Double

    /// The variational bound of -log₂ p(x_0) per value of an image.
    public var total: Double { terms.reduce(prior, +) }
  }
}
