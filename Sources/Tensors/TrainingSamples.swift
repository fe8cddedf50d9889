/// The samples of a training pass, from which layers derive their random numbers. Other passes have none and skip
/// random layers.
public struct TrainingSamples: Hashable, Sendable {
  public let seed: UInt64
  /// Number of steps completed.
  public let step: Int
  /// The positions of the tape's samples in the step's batch, over all ranks.
  public let positions: Range<Int>

  public init(seed: UInt64, step: Int, positions: Range<Int>) {
    self.seed = seed
    self.step = step
    self.positions = positions
  }
}
