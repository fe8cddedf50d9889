/// `0..<count` cut into ranges of at most `limit`.
func chunks(_ count: Int, limit: Int) -> some Sequence<Range<Int>> {
  stride(from: 0, to: count, by: limit).lazy.map { $0..<min($0 + limit, count) }
}

/// `0..<count` cut into ranges of exactly `limit` and one shorter range, perhaps empty, at the end.
///
/// That is how point-to-point messages are cut: the short range tells a receiver, who need not know the count, that
/// the message ends. A message below the limit is one range, and so one message of MPI's.
func terminatedChunks(_ count: Int, limit: Int) -> some Sequence<Range<Int>> {
  (0...count / limit).lazy.map { $0 * limit..<min(($0 + 1) * limit, count) }
}

extension UnsafeBufferPointer {
  /// The elements at `range`.
  func part(_ range: Range<Int>) -> UnsafeBufferPointer { UnsafeBufferPointer(rebasing: self[range]) }

  /// Whether the two share memory.
  func overlaps(_ other: UnsafeMutableBufferPointer<Element>) -> Bool {
    guard let a = baseAddress, let b = UnsafePointer(other.baseAddress) else { return false }
    return a < b + other.count && b < a + count
  }
}

extension UnsafeMutableBufferPointer {
  /// The elements at `range`.
  func part(_ range: Range<Int>) -> UnsafeMutableBufferPointer {
    UnsafeMutableBufferPointer(rebasing: self[range])
  }
}

/// Where each of blocks of these lengths starts when they follow each other; the last number is the total.
func offsets(_ counts: [Int]) -> [Int] {
  counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
}

/// `values` cut into the blocks that start at `starts`, as `offsets` gives them.
func blocks<T>(of values: [T], at starts: [Int]) -> [[T]] {
  zip(starts, starts.dropFirst()).map { Array(values[$0..<$1]) }
}
