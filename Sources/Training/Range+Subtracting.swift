extension Range<Int> {
  /// What is left of it without `excluded`, which are in ascending order.
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
