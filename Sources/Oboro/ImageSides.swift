import ArgumentParser

/// The value of `--size`.
struct ImageSides {
  let height: Int
  let width: Int

  /// - Parameter allowsOneNumber: whether `SIZE` stands for both.
  /// - Throws: `ValidationError` for a text that is not `HEIGHTxWIDTH`.
  init(_ text: String, allowsOneNumber: Bool = false) throws {
    let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard sides.count == 2 || (sides.count == 1 && allowsOneNumber),
      sides.allSatisfy({ (1...65_536).contains($0) })
    else {
      throw ValidationError(
        "--size must be \(allowsOneNumber ? "a number, or " : "")height x width, such as 28x28, is \(text)")
    }
    (height, width) = (sides[0], sides[sides.count - 1])
  }
}
