extension [Int] {
  /// The product of all elements, or nil on overflow.
  func checkedProduct() -> Int? {
    var product = 1
    for factor in self {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      product = next
    }
    return product
  }

  /// The sum of all elements, or nil on overflow.
  func checkedSum() -> Int? {
    var sum = 0
    for term in self {
      let (next, overflow) = sum.addingReportingOverflow(term)
      if overflow { return nil }
      sum = next
    }
    return sum
  }
}

/// The path of the file `name` in `directory`.
func filePath(_ directory: String, _ name: String) -> String {
  directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
}
