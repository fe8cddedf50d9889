import Foundation
import Synchronization

/// Reads the images of a source in blocks, on several threads where the source allows it.
struct BlockReader {
  let source: any ImageSource
  let threadCount: Int
  /// Images of a block: some megabyte, and work for all threads.
  let blockCount: Int

  init(_ source: any ImageSource, threadCount: Int) {
    self.source = source
    self.threadCount = source is any ConcurrentImageSource ? threadCount : 1
    blockCount = max((1 << 20) / source.imageSize, self.threadCount == 1 ? 1 : 4 * self.threadCount)
  }

  /// Reads all images of `range`, block by block and in order.
  ///
  /// - Parameter use: is given each block: its images, their pixels `[n, H, W, C]` and their labels, or why an image
  ///   could not be read. After an error in a block, images behind it may be missing if the source is read in order.
  func read(
    _ range: Range<Int>,
    _ use: (Range<Int>, UnsafeMutableBufferPointer<UInt8>, [Result<Int32, any Error>]) throws -> Void
  ) throws {
    let imageSize = source.imageSize
    let pixels = UnsafeMutableBufferPointer<UInt8>.allocate(
      capacity: min(blockCount, range.count) * imageSize)
    defer { pixels.deallocate() }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: blockCount) {
      let block = start..<min(start + blockCount, range.upperBound)
      let filled = UnsafeMutableBufferPointer(rebasing: pixels[..<(block.count * imageSize)])
      let slot = { (image: Int) in
        UnsafeMutableBufferPointer(rebasing: filled[image * imageSize..<(image + 1) * imageSize])
      }
      var labels = [Result<Int32, any Error>](repeating: .success(-1), count: block.count)
      labels.withUnsafeMutableBufferPointer { labels in
        inParallel(block.count, threadCount: threadCount) { image in
          labels[image] = Result { try checkedRead(block.lowerBound + image, slot(image)) }
        }
      }
      try use(block, filled, labels)
    }
  }

  private func checkedRead(_ image: Int, _ pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    let label = try source.read(image, into: pixels)
    guard label >= -1, label < max(0, source.classNames.count) else {
      throw DatasetError.badData(
        source.name,
        "the label of image \(image) is \(label), expected less than its \(source.classNames.count) classes")
    }
    return label
  }
}

/// Runs `body` for each of `0..<count`, on up to `threadCount` threads. They must write to places of their own.
func inParallel(_ count: Int, threadCount: Int, _ body: (Int) -> Void) {
  guard threadCount > 1, count > 1 else {
    for index in 0..<count { body(index) }
    return
  }
  let next = Atomic(0)
  // `concurrentPerform` returns when all calls have; until then the caller waits, and touches nothing.
  nonisolated(unsafe) let body = body
  DispatchQueue.concurrentPerform(iterations: min(threadCount, count)) { _ in
    while true {
      let index = next.add(1, ordering: .relaxed).oldValue
      guard index < count else { return }
      body(index)
    }
  }
}
