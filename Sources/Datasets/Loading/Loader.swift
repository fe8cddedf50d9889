import Foundation
import Randomness

/// Reads one rank's images of each training step, ahead of time, on a thread of its own.
///
/// Which images a step takes, and which of them are flipped, depends on seed, step and place in the batch over all
/// ranks; never on how the batch is divided among ranks. So the shares of all ranks, put together, are the same for
/// every division.
///
/// One thread at a time may call `next()`.
public final class Loader {
  /// One rank's images of one step.
  public struct Batch: Sendable {
    public let step: Int
    /// `[n, H, W, C]`, a pixel x of 0...255 scaled to x / 127.5 - 1.
    public let images: [Float]
    /// `[n]`, -1 for none.
    public let labels: [Int32]
    /// `[n]`, the places of the images in the dataset.
    public let indices: [Int]
  }

  private let queue: ReadAheadQueue<Batch>

  /// Starts to read.
  ///
  /// - Parameters:
  ///   - batchSize: the images of a step, over all ranks.
  ///   - share: this rank's places in the batch.
  ///   - firstStep: the step of the first batch that `next()` returns.
  ///   - horizontalFlip: whether to mirror about half of the images.
  ///   - readAhead: how many steps to hold ready.
  public init(
    dataset: ShardedDataset, seed: UInt64, batchSize: Int, share: Range<Int>, firstStep: Int = 0,
    horizontalFlip: Bool = false, readAhead: Int = 2
  ) {
    precondition(
      share.lowerBound >= 0 && share.upperBound <= batchSize,
      "share \(share) is not in a batch of \(batchSize)")
    precondition(firstStep >= 0, "firstStep \(firstStep) must not be negative")
    let queue = ReadAheadQueue<Batch>(capacity: readAhead)
    let reader = BatchReader(
      dataset: dataset, seed: seed, batchSize: batchSize, share: share, horizontalFlip: horizontalFlip)
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

  /// The next step's images, as soon as they have been read.
  ///
  /// - Throws: what reading them threw, now and at every later call.
  public func next() throws -> Batch { try queue.take() }

  /// The seconds that all calls of `next()` have waited for images.
  public var secondsWaited: Double { queue.secondsWaited }

  /// Stops reading; returns when the thread has ended. `next()` must not be called afterwards.
  public func close() { queue.close() }
}

/// How a rank's images of a step are read: a function of the step.
struct BatchReader: Sendable {
  private let dataset: ShardedDataset
  private let order: SampleOrder
  private let seed: UInt64
  private let batchSize: Int
  private let share: Range<Int>
  private let horizontalFlip: Bool

  init(dataset: ShardedDataset, seed: UInt64, batchSize: Int, share: Range<Int>, horizontalFlip: Bool) {
    self.dataset = dataset
    self.seed = seed
    self.batchSize = batchSize
    self.share = share
    self.horizontalFlip = horizontalFlip
    order = SampleOrder(seed: seed, count: dataset.count)
  }

  func read(step: Int) throws -> Loader.Batch {
    let indices = share.map { order.index(at: step * batchSize + $0) }
    let total = share.count * dataset.imageSize
    var labels: [Int32] = []
    let images = try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: total) { pixels in
      labels = try dataset.read(indices, into: pixels)
      return [Float](unsafeUninitializedCapacity: total) { images, initializedCount in
        for (place, sample) in share.enumerated() {
          let range = place * dataset.imageSize..<(place + 1) * dataset.imageSize
          let isFlipped =
            horizontalFlip
            && RandomStream(seed: seed, purpose: .horizontalFlip, step: step, sample: sample).bool()
          convert(
            UnsafeBufferPointer(rebasing: pixels[range]),
            to: UnsafeMutableBufferPointer(rebasing: images[range]),
            isFlipped: isFlipped)
        }
        initializedCount = total
      }
    }
    return Loader.Batch(step: step, images: images, labels: labels, indices: indices)
  }

  /// Scales an image `[H, W, C]` to [-1, 1], mirrored if `isFlipped`.
  private func convert(
    _ pixels: UnsafeBufferPointer<UInt8>, to image: UnsafeMutableBufferPointer<Float>, isFlipped: Bool
  ) {
    Self.scaled.withUnsafeBufferPointer { scaled in
      guard isFlipped else {
        for index in pixels.indices { image[index] = scaled[Int(pixels[index])] }
        return
      }
      let (width, channels) = (dataset.width, dataset.channels)
      for row in stride(from: 0, to: pixels.count, by: width * channels) {
        var source = row + width * channels
        for target in stride(from: row, to: row + width * channels, by: channels) {
          source -= channels
          for channel in 0..<channels { image[target + channel] = scaled[Int(pixels[source + channel])] }
        }
      }
    }
  }

  /// What each pixel becomes. Looked up: in mirrored rows, divisions would not become vector code.
  private static let scaled = (0...255).map { Float($0) / 127.5 - 1 }
}
