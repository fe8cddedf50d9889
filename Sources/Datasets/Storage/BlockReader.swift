import Foundation
import Synchronization

/// Reads the samples of a source in blocks, on several threads if the source allows it.
struct BlockReader {
  let source: any SampleSource
  let threadCount: Int
  /// Samples per block: about a megabyte, and enough work for all threads.
  let blockCount: Int

  private let fields: [Field]
  private let classCount: Int

  init(_ source: any SampleSource, threadCount: Int) {
    self.source = source
    self.threadCount = source is any ConcurrentSampleSource ? threadCount : 1
    fields = source.fields
    classCount = source.classNames.count
    let size = max(1, fields.map { $0.byteCount ?? 256 }.reduce(0, +))
    blockCount = max((1 << 20) / size, self.threadCount == 1 ? 1 : 4 * self.threadCount)
  }

  /// Reads all samples of `range`, block by block and in order.
  ///
  /// - Parameter use: receives each block: the samples it holds, and the result of reading each of them. After an error
  ///   in a block, later samples may be missing if the source is read sequentially.
  func read(
    _ range: Range<Int>, _ use: (Range<Int>, SampleBlock, [Result<Void, any Error>]) throws -> Void
  ) throws {
    let block = SampleBlock(fields, capacity: min(blockCount, range.count))
    for start in stride(from: range.lowerBound, to: range.upperBound, by: blockCount) {
      let samples = start..<min(start + blockCount, range.upperBound)
      var results = [Result<Void, any Error>](repeating: .success(()), count: samples.count)
      results.withUnsafeMutableBufferPointer { results in
        inParallel(samples.count, threadCount: threadCount) { place in
          results[place] = Result { try checkedRead(samples.lowerBound + place, block.slot(place)) }
        }
      }
      try use(samples, block, results)
    }
  }

  private func checkedRead(_ sample: Int, _ slot: SampleSlot) throws {
    try source.read(sample, into: slot)
    for (index, field) in fields.enumerated() {
      if field.type == .text, slot.block.texts[index][slot.place].contains(where: { $0.utf8.contains(0) }) {
        throw DatasetError.badData(
          source.name, "the text \(field.name) of sample \(sample) holds a NUL, where readers would end it")
      }
      guard field.role == .label else { continue }
      let label = slot.bytes(index).load(as: Int32.self)
      guard label >= -1, label < classCount else {
        throw DatasetError.badData(
          source.name,
          "the label of image \(sample) is \(label), expected less than its \(classCount) classes")
      }
    }
  }
}

/// Runs `body` for each of `0..<count`, on up to `threadCount` threads. The calls must write to disjoint memory.
func inParallel(_ count: Int, threadCount: Int, _ body: (Int) -> Void) {
  guard threadCount > 1, count > 1 else {
    for index in 0..<count { body(index) }
    return
  }
  let next = Atomic(0)
  // `concurrentPerform` returns once all calls have; until then the caller is blocked.
  nonisolated(unsafe) let body = body
  DispatchQueue.concurrentPerform(iterations: min(threadCount, count)) { _ in
    while true {
      let index = next.add(1, ordering: .relaxed).oldValue
      guard index < count else { return }
      body(index)
    }
  }
}
