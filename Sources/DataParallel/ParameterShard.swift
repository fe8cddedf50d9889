import Tensors

/// A rank's parts of a flat memory, one after the other: of what no other rank needs to hold.
public final class ParameterShard {
  /// Where the parts lie in the whole, in ascending order, none of them empty.
  public let parts: [Range<Int>]
  private let memory: ParameterBuffer
  /// Where each part begins in `memory`.
  private let starts: [Int]

  /// Zeros.
  public convenience init(parts: [Range<Int>]) {
    let parts = parts.filter { !$0.isEmpty }
    let ends = parts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
    self.init(parts: parts, memory: ParameterBuffer(count: ends[parts.count]), starts: Array(ends.dropLast()))
  }

  /// The parts of `whole`, copied.
  public convenience init(of whole: ParameterBuffer, parts: [Range<Int>]) {
    self.init(parts: parts)
    load(from: whole)
  }

  /// The parts of `whole` where they lie: what is written to one is written to the other.
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

  /// The memory of part number `index`.
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

  /// Takes what of `range` lies in these parts from `memory`, which begins where `range` does.
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
