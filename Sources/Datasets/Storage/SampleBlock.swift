/// Memory for samples to be written to a shard: each field's is contiguous, as in the shard.
///
/// Threads may fill different samples concurrently: `memory` and `texts` never move.
package final class SampleBlock {
  package let fields: [Field]
  let capacity: Int
  /// The size of one sample in each field, in bytes; 0 for text.
  let sizes: [Int]
  let memory: [UnsafeMutableRawBufferPointer]
  package let texts: [UnsafeMutableBufferPointer<[String]>]

  package init(_ fields: [Field], capacity: Int) {
    self.fields = fields
    self.capacity = capacity
    sizes = fields.map { $0.byteCount ?? 0 }
    memory = sizes.map { .allocate(byteCount: max(1, $0 * capacity), alignment: 16) }
    texts = fields.map { field in
      let texts = UnsafeMutableBufferPointer<[String]>.allocate(
        capacity: field.type == .text ? capacity : 0)
      texts.initialize(repeating: [])
      return texts
    }
  }

  deinit {
    for piece in memory { piece.deallocate() }
    for piece in texts {
      piece.deinitialize()
      piece.deallocate()
    }
  }

  package func slot(_ place: Int) -> SampleSlot { SampleSlot(block: self, place: place) }

  /// The bytes of the first `count` samples of a field.
  package func bytes(_ field: Int, count: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: memory[field][..<(count * sizes[field])])
  }
}
