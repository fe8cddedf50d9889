import Tensors

/// A rank's parts of a flat memory, one after the other: of what no other rank needs to hold.
public final class FlatShard {
  /// Where the parts lie in the whole, in ascending order, none of them empty.
  public let parts: [Range<Int>]
  private let memory: FlatMemory
  /// Where each part begins in `memory`.
  private let starts: [Int]

  /// Zeros.
  public convenience init(parts: [Range<Int>]) {
    self.init(parts: parts, memory: FlatMemory(count: parts.reduce(0) { $0 + $1.count }))
  }

  /// The parts of `whole`, copied.
  public convenience init(of whole: FlatMemory, parts: [Range<Int>]) {
    self.init(parts: parts)
    load(from: whole)
  }

  private init(parts: [Range<Int>], memory: FlatMemory) {
    self.parts = parts.filter { !$0.isEmpty }
    self.memory = memory
    starts = self.parts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
    precondition(
      zip(self.parts, self.parts.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound },
      "parts out of order: \(parts)")
  }

  /// The memory of part number `index`.
  public func pointer(_ index: Int) -> UnsafeMutablePointer<Float> { memory.pointer + starts[index] }

  public func load(from whole: FlatMemory) {
    for (index, part) in parts.enumerated() {
      pointer(index).update(from: whole.pointer + part.lowerBound, count: part.count)
    }
  }

  public func store(to whole: FlatMemory) {
    for (index, part) in parts.enumerated() {
      (whole.pointer + part.lowerBound).update(from: pointer(index), count: part.count)
    }
  }
}
