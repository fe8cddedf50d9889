import Files
import Foundation

/// Samples to be written to shards, spooled to an unlinked file: their number is known only once all have been read,
/// and a shard's size must be known when it is created. A crash leaves nothing behind. Text stays in memory.
final class SampleSpool {
  static let fileName = "samples"

  private let source: any SampleSource
  private let output: FileDescriptor
  private let input: ReadableFile
  /// The size of each field of a sample in bytes, and its offset in the record.
  private let sizes: [Int]
  private let offsets: [Int]
  private let recordSize: Int
  private(set) var count = 0
  /// For each text field, the texts of each sample.
  private var texts: [[[String]]]

  /// - Parameter path: a path on a disk with room for all samples; the file is unlinked at once.
  init(for source: any SampleSource, at path: String) throws {
    self.source = source
    sizes = source.fields.map { $0.byteCount ?? 0 }
    offsets = sizes.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    recordSize = offsets[sizes.count]
    texts = sizes.map { _ in [] }
    output = try FileDescriptor(path, O_WRONLY | O_CREAT | O_TRUNC)
    input = try ReadableFile(path)
    unlink(path)
  }

  /// Appends sample `place` of a block.
  func append(_ place: Int, of block: SampleBlock) throws {
    let slot = block.slot(place)
    for field in sizes.indices {
      if block.fields[field].type == .text { texts[field].append(block.texts[field][place]) }
      try output.write(UnsafeRawBufferPointer(slot.bytes(field)))
    }
    count += 1
  }
}

extension SampleSpool: SampleSource {
  var name: String { source.name }
  var split: String { source.split }
  var fields: [Field] { source.fields }
  var classNames: [String] { source.classNames }

  func read(_ index: Int, into sample: SampleSlot) throws {
    for field in sizes.indices {
      if texts[field].isEmpty {
        try input.read(into: sample.bytes(field), at: index * recordSize + offsets[field])
      } else {
        sample.set(texts[field][index], field: field)
      }
    }
  }
}
