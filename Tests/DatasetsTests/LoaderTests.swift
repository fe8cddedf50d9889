import Datasets
import Foundation
import Randomness
import Synchronization
import TestSupport
import Testing

@Suite("The loader")
struct LoaderTests {
  private func withDataset(count: Int = 23, _ body: (ShardedDataset) throws -> Void) throws {
    try withTemporaryDirectory { directory in
      try DatasetWriter(directory: directory, shardCount: 3).write(PatternSource(count: count))
      try body(ShardedDataset(directory: directory))
    }
  }

  @Test func samplesFollowTheOrder() throws {
    try withDataset { dataset in
      let source = PatternSource()
      let order = SampleOrder(seed: 5, count: 23)
      let loader = Loader(dataset: dataset, seed: 5, batchSize: 8, share: 0..<8)
      // Seven steps go through the dataset more than twice.
      for step in 0..<7 {
        let batch = try loader.next()
        #expect(batch.step == step)
        #expect(batch.indices == (0..<8).map { order.index(at: step * 8 + $0) })
        #expect(batch.labels == batch.indices.map { source.label($0) })
        let expected = batch.indices.flatMap { source.pixels($0) }.map { Float($0) / 127.5 - 1 }
        #expect(batch.images == expected)
      }
      loader.close()
    }
  }

  @Test func pixelsSpanMinusOneToOne() throws {
    try withDataset(count: 300) { dataset in
      let images = try Loader(dataset: dataset, seed: 0, batchSize: 300, share: 0..<300).next().images
      #expect(images.min() == -1)
      #expect(images.max() == 1)
    }
  }

  @Test(arguments: [1, 2, 3, 4, 6, 12])
  func sharesPutTogetherAreTheWhole(ranks: Int) throws {
    try withDataset { dataset in
      func loader(_ share: Range<Int>) -> Loader {
        Loader(dataset: dataset, seed: 1, batchSize: 12, share: share, horizontalFlip: true)
      }
      let whole = loader(0..<12)
      let parts = (0..<ranks).map { loader($0 * 12 / ranks..<($0 + 1) * 12 / ranks) }
      for _ in 0..<5 {
        let (expected, batches) = (try whole.next(), try parts.map { try $0.next() })
        #expect(batches.flatMap(\.images) == expected.images)
        #expect(batches.flatMap(\.labels) == expected.labels)
        #expect(batches.flatMap(\.indices) == expected.indices)
      }
    }
  }

  @Test func flipsMirrorAboutHalfOfTheImages() throws {
    try withDataset { dataset in
      let plain = Loader(dataset: dataset, seed: 1, batchSize: 100, share: 0..<100)
      let flipping = Loader(dataset: dataset, seed: 1, batchSize: 100, share: 0..<100, horizontalFlip: true)
      var flipped = 0
      for step in 0..<3 {
        let (before, after) = (try plain.next(), try flipping.next())
        for sample in 0..<100 {
          let original = Array(before.images[sample * 24..<(sample + 1) * 24])
          let mirrored = (0..<24).map { place in
            let (row, x, channel) = (place / 6, place % 6 / 2, place % 2)
            return original[row * 6 + (2 - x) * 2 + channel]
          }
          let isFlipped = RandomStream(seed: 1, purpose: .horizontalFlip, step: step, sample: sample).bool()
          flipped += isFlipped ? 1 : 0
          #expect(Array(after.images[sample * 24..<(sample + 1) * 24]) == (isFlipped ? mirrored : original))
        }
      }
      #expect((110...190).contains(flipped))
    }
  }

  @Test func aLaterStartGoesOnAsIfNeverStopped() throws {
    try withDataset { dataset in
      let through = Loader(dataset: dataset, seed: 2, batchSize: 6, share: 2..<5, horizontalFlip: true)
      for _ in 0..<4 { _ = try through.next() }
      let resumed = Loader(
        dataset: dataset, seed: 2, batchSize: 6, share: 2..<5, firstStep: 4, horizontalFlip: true)
      for _ in 0..<3 {
        let (expected, batch) = (try through.next(), try resumed.next())
        #expect(batch.step == expected.step)
        #expect(batch.images == expected.images)
      }
    }
  }

  @Test func errorsOfTheReadingThreadSurface() throws {
    try withDataset { dataset in
      try FileManager.default.removeItem(atPath: "\(dataset.directory)/train-00001-of-00003.h5")
      let loader = Loader(dataset: dataset, seed: 0, batchSize: 4, share: 0..<4)
      var error: DatasetError?
      for _ in 0..<10 {
        do { _ = try loader.next() } catch let thrown as DatasetError { error = thrown; break }
      }
      #expect(error?.path.hasSuffix("train-00001-of-00003.h5") == true)
      #expect(throws: DatasetError.self) { try loader.next() }
      loader.close()
    }
  }

  /// In a process of its own: the threads of the whole process are counted.
  @Test func stopsAtCloseAndWhenLetGo() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          try DatasetWriter(directory: directory).write(PatternSource())
          let dataset = try ShardedDataset(directory: directory)
          func threadCount() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
          }
          let before = try threadCount()
          for _ in 0..<20 {
            let loader = Loader(dataset: dataset, seed: 0, batchSize: 4, share: 0..<4)
            _ = try loader.next()
            if try threadCount() <= before { exit(2) }
            loader.close()
            loader.close()
            let unused = Loader(dataset: dataset, seed: 0, batchSize: 4, share: 0..<4)
            withExtendedLifetime(unused) {}
          }
          // A thread says that it ends a moment before it has.
          let deadline = Date(timeIntervalSinceNow: 10)
          while try threadCount() > before {
            if Date() > deadline { exit(3) }
            Thread.sleep(forTimeInterval: 0.01)
          }
        }
      }
    }
  }

  @Test func readsAhead() throws {
    try withDataset(count: 2000) { dataset in
      let loader = Loader(dataset: dataset, seed: 0, batchSize: 2000, share: 0..<2000, readAhead: 3)
      _ = try loader.next()
      let first = loader.secondsWaited
      // Given time, the next steps are ready.
      Thread.sleep(forTimeInterval: 1)
      for _ in 0..<3 { _ = try loader.next() }
      #expect(loader.secondsWaited == first)
      loader.close()
    }
  }

  @Test func waitingIsCounted() throws {
    let queue = ReadAheadQueue<Int>(capacity: 1)
    let start = Date()
    Thread {
      Thread.sleep(forTimeInterval: 1)
      while queue.put({ 7 }) {}
      queue.finish()
    }.start()
    #expect(try queue.take() == 7)
    #expect(queue.secondsWaited > 0)
    #expect(queue.secondsWaited <= Date().timeIntervalSince(start) + 0.01)
    queue.close()
  }

  @Test func noMoreIsReadThanAskedFor() throws {
    let queue = ReadAheadQueue<Int>(capacity: 2)
    let made = Counter()
    Thread {
      while queue.put({ made.next() }) {}
      queue.finish()
    }.start()
    #expect(try queue.take() == 1)
    let deadline = Date(timeIntervalSinceNow: 10)
    while made.value < 3 && Date() < deadline { Thread.sleep(forTimeInterval: 0.01) }
    Thread.sleep(forTimeInterval: 0.1)
    // One taken, two held ready.
    #expect(made.value == 3)
    #expect(try queue.take() == 2)
    queue.close()
  }
}

private final class Counter: Sendable {
  private let count = Mutex(0)

  var value: Int { count.withLock { $0 } }

  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}
