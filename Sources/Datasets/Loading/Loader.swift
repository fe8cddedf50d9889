import Foundation

/// Reads one rank's samples of each training step ahead of time, on its own thread.
///
/// Which samples a step takes, and which of them are mirrored, depends on the seed, the step and the position in the
/// global batch; never on how the batch is divided among ranks. The combined shares of all ranks are therefore the same
/// for every division.
///
/// `next()` must not be called concurrently.
public final class Loader {
  private let queue: ReadAheadQueue<Batch>

  /// Starts reading.
  ///
  /// - Parameters:
  ///   - fields: fields to read; nil for the images and, if present, their labels.
  ///   - batchSize: samples per step, over all ranks.
  ///   - share: this rank's positions in the batch.
  ///   - firstStep: the step of the first batch that `next()` returns.
  ///   - horizontalFlip: whether to mirror about half of the samples, including their conditions and masks.
  ///   - readAhead: number of steps to keep ready.
  public init(
    dataset: ShardedDataset, fields: [FieldRequest]? = nil, seed: UInt64, batchSize: Int, share: Range<Int>,
    firstStep: Int = 0, horizontalFlip: Bool = false, readAhead: Int = 2
  ) {
    precondition(
      share.lowerBound >= 0 && share.upperBound <= batchSize,
      "share \(share) is not in a batch of \(batchSize)")
    precondition(firstStep >= 0, "firstStep \(firstStep) must not be negative")
    let queue = ReadAheadQueue<Batch>(capacity: readAhead)
    let reader = BatchReader(
      dataset: dataset, fields: fields, seed: seed, batchSize: batchSize, share: share,
      horizontalFlip: horizontalFlip)
    self.queue = queue
    let thread = Thread {
      var step = firstStep
      while queue.put({ try reader.read(step: step) }) { step += 1 }
      queue.finish()
    }
    thread.name = "loader"
    thread.start()
  }

  deinit { queue.close() }

  /// Returns the next step's samples, waiting until they have been read.
  ///
  /// - Throws: any error from reading them, on this and every later call.
  public func next() throws -> Batch { try queue.take() }

  /// Total time that calls of `next()` have waited for samples, in seconds.
  public var secondsWaited: Double { queue.secondsWaited }

  /// Stops reading and waits for the thread to end. `next()` must not be called afterwards.
  public func close() { queue.close() }
}
