/// The samples that a training pass goes through: what random numbers of layers follow from. Passes that do not train have
/// none, and leave out what is random.
public struct TrainingSamples: Hashable, Sendable {
  public let seed: UInt64
  /// Steps done.
  public let step: Int
  /// The positions of the tape's samples in the step's batch, over all ranks.
  public let positions: Range<Int>

  public init(seed: UInt64, step: Int, positions: Range<Int>) {
    self.seed = seed
    self.step = step
    self.positions = positions
  }
}
