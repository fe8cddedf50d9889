/// Memory for some samples on their way into a shard: each field's in one piece, as the shard holds it.
///
/// Threads may fill different samples at once: `memory` and `texts` are places that nobody moves.
package final class SampleBlock {
  package let fields: [Field]
  let capacity: Int
  /// The bytes of one sample in each field; 0 for text.
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
