import Foundation

/// Reads one rank's samples of each training step, ahead of time, on a thread of its own.
///
/// Which samples a step takes, and which of them are flipped, depends on seed, step and place in the batch over all
/// ranks; never on how the batch is divided among ranks. So the shares of all ranks, put together, are the same for
/// every division.
///
/// One thread at a time may call `next()`.
public final class Loader {
  private let queue: ReadAheadQueue<Batch>

  /// Starts to read.
  ///
  /// - Parameters:
  ///   - fields: what to read of each sample; nil for the images and, where there are any, their labels.
  ///   - batchSize: the samples of a step, over all ranks.
  ///   - share: this rank's places in the batch.
  ///   - firstStep: the step of the first batch that `next()` returns.
  ///   - horizontalFlip: whether to mirror about half of the samples: their images, conditions and masks alike.
  ///   - readAhead: how many steps to hold ready.
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

  /// The next step's samples, as soon as they have been read.
  ///
  /// - Throws: what reading them threw, now and at every later call.
  public func next() throws -> Batch { try queue.take() }

  /// The seconds that all calls of `next()` have waited for samples.
  public var secondsWaited: Double { queue.secondsWaited }

  /// Stops reading; returns when the thread has ended. `next()` must not be called afterwards.
  public func close() { queue.close() }
}
