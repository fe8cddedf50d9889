extension Range<Int> {
  /// The parts of this range outside `excluded`, which must be in ascending order.
  func subtracting(_ excluded: [Range<Int>]) -> [Range<Int>] {
    var (left, start): ([Range<Int>], Int) = ([], lowerBound)
    for range in excluded where range.overlaps(self) {
      if start < range.lowerBound { left.append(start..<range.lowerBound) }
      start = range.upperBound
    }
    if start < upperBound { left.append(start..<upperBound) }
    return left
  }
}
