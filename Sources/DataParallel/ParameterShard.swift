import Tensors

/// A rank's parts of a flat buffer, stored contiguously, for data that no other rank needs to hold.
public final class ParameterShard {
  /// The ranges of the parts in the whole buffer, in ascending order, none of them empty.
  public let parts: [Range<Int>]
  private let memory: ParameterBuffer
  /// The offset of each part in `memory`.
  private let starts: [Int]

  /// Initialises the parts with zeros.
  public convenience init(parts: [Range<Int>]) {
    let parts = parts.filter { !$0.isEmpty }
    let ends = parts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
    self.init(parts: parts, memory: ParameterBuffer(count: ends[parts.count]), starts: Array(ends.dropLast()))
  }

  /// Copies the parts of `whole`.
  public convenience init(of whole: ParameterBuffer, parts: [Range<Int>]) {
    self.init(parts: parts)
    load(from: whole)
  }

  /// A view of the parts of `whole` in place: writes to one are visible in the other.
  public convenience init(viewing whole: ParameterBuffer, parts: [Range<Int>]) {
    let parts = parts.filter { !$0.isEmpty }
    self.init(parts: parts, memory: whole, starts: parts.map(\.lowerBound))
  }

  private init(parts: [Range<Int>], memory: ParameterBuffer, starts: [Int]) {
    (self.parts, self.memory, self.starts) = (parts, memory, starts)
    precondition(
      zip(self.parts, self.parts.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound },
      "parts out of order: \(parts)")
  }

  /// The memory of the part at `index`.
  public func pointer(_ index: Int) -> UnsafeMutablePointer<Float> { memory.pointer + starts[index] }

  /// Whether all values are 0.
  public var isZero: Bool {
    parts.enumerated().allSatisfy { index, part in
      UnsafeBufferPointer(start: pointer(index), count: part.count).allSatisfy { $0 == 0 }
    }
  }

  public func load(from whole: ParameterBuffer) {
    for (index, part) in parts.enumerated() {
      pointer(index).update(from: whole.pointer + part.lowerBound, count: part.count)
    }
  }

  /// Copies the intersection of `range` and these parts from `memory`, which starts at the beginning of `range`.
  public func load(_ range: Range<Int>, from memory: UnsafePointer<Float>) {
    for (index, part) in parts.enumerated() where part.overlaps(range) {
      let common = part.clamped(to: range)
      (pointer(index) + (common.lowerBound - part.lowerBound))
        .update(from: memory + (common.lowerBound - range.lowerBound), count: common.count)
    }
  }

  public func store(to whole: ParameterBuffer) {
    for (index, part) in parts.enumerated() {
      (whole.pointer + part.lowerBound).update(from: pointer(index), count: part.count)
    }
  }
}
