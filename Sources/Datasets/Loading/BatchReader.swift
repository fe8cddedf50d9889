import Randomness

/// Reads a rank's samples of a step as a function of the step.
struct BatchReader: Sendable {
  private let fields: FieldReader
  private let order: SampleOrder
  private let seed: UInt64
  private let batchSize: Int
  private let share: Range<Int>
  private let horizontalFlip: Bool

  init(
    dataset: ShardedDataset, fields: [FieldRequest]?, seed: UInt64, batchSize: Int, share: Range<Int>,
    horizontalFlip: Bool
  ) {
    self.seed = seed
    self.batchSize = batchSize
    self.share = share
    self.horizontalFlip = horizontalFlip
    self.fields = FieldReader(dataset, fields: fields)
    order = SampleOrder(seed: seed, count: dataset.count)
  }

  func read(step: Int) throws -> Loader.Batch {
    let indices = share.map { order.index(at: step * batchSize + $0) }
    let flips = share.map { sample in
      horizontalFlip
        && RandomStream(seed: seed, purpose: .horizontalFlip, step: step, sample: sample).bool()
    }
    return Loader.Batch(step: step, indices: indices, fields: try fields.read(indices, flips: flips))
  }
}
