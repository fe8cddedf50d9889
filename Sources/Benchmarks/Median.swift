extension Array where Element: BinaryFloatingPoint {
  /// The median; the mean of the two middle values for an even count, `.nan` for an empty array.
  public var median: Element {
    guard !isEmpty else { return .nan }
    let sorted = sorted()
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
  }
}
