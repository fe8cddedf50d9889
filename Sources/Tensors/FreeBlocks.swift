/// A list of free blocks of memory, no two of which are adjacent.
package struct FreeBlocks {
  package typealias Block = UnsafeMutableBufferPointer<Float>

  /// Sorted by address.
  private var blocks: [Block] = []

  package init() {}

  /// The size of each block in floats.
  package var sizes: [Int] { blocks.map(\.count) }

  /// Takes `count` floats from the start of the smallest block that is large enough; nil if there is none.
  package mutating func take(_ count: Int) -> Block? {
    precondition(count > 0, "\(count) floats")
    var best: Int?
    for (index, block) in blocks.enumerated() where block.count >= count {
      if best.map({ block.count < blocks[$0].count }) ?? true { best = index }
    }
    guard let best else { return nil }
    let block = blocks[best]
    if block.count == count {
      blocks.remove(at: best)
    } else {
      blocks[best] = Block(rebasing: block[count...])
    }
    return Block(rebasing: block[..<count])
  }

  /// Returns `block` to the list and merges it with adjacent blocks.
  package mutating func give(_ block: Block) {
    guard let start = block.baseAddress else { return }
    var (low, high) = (0, blocks.count)
    while low < high {
      let middle = (low + high) / 2
      if blocks[middle].baseAddress! < start { low = middle + 1 } else { high = middle }
    }
    var (joined, range) = (block, low..<low)
    if low > 0, blocks[low - 1].baseAddress! + blocks[low - 1].count == start {
      joined = Block(start: blocks[low - 1].baseAddress, count: blocks[low - 1].count + joined.count)
      range = low - 1..<range.upperBound
    }
    if low < blocks.count, start + block.count == blocks[low].baseAddress! {
      joined = Block(start: joined.baseAddress, count: joined.count + blocks[low].count)
      range = range.lowerBound..<low + 1
    }
    blocks.replaceSubrange(range, with: CollectionOfOne(joined))
  }
}
