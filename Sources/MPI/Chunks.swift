/// Splits `0..<count` into ranges of at most `limit`.
func chunks(_ count: Int, limit: Int) -> some Sequence<Range<Int>> {
  stride(from: 0, to: count, by: limit).lazy.map { $0..<min($0 + limit, count) }
}

/// Splits `0..<count` into ranges of exactly `limit` and a final shorter range, possibly empty.
///
/// Point-to-point messages are split this way: the short range marks the end of the message for a receiver that need
/// not know the count. A message shorter than the limit is a single range, hence a single MPI message.
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

/// The start of each block when blocks of these lengths are stored contiguously; the last element is the total.
func offsets(_ counts: [Int]) -> [Int] {
  counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
}

/// Splits `values` into the blocks that start at `starts`, as returned by `offsets`.
func blocks<T>(of values: [T], at starts: [Int]) -> [[T]] {
  zip(starts, starts.dropFirst()).map { Array(values[$0..<$1]) }
}
