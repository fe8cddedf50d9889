extension Array where Element: BinaryFloatingPoint {
  /// The number in the middle of these in order, or the mean of the two that are; `.nan` if there are none.
  public var median: Element {
    guard !isEmpty else { return .nan }
    let sorted = sorted()
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
  }
}
