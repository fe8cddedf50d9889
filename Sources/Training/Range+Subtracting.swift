extension Range<Int> {
  /// What is left of it without `excluded`.
  func subtracting(_ excluded: RangeSet<Int>) -> [Range<Int>] {
    excluded.isEmpty ? [self] : Array(RangeSet(self).subtracting(excluded).ranges)
  }
}
