import ArgumentParser

/// The value of `--size`.
struct ImageSides {
  let height: Int
  let width: Int

  /// - Throws: `ValidationError` for text other than `HEIGHTxWIDTH` or one number for both.
  init(_ text: String) throws {
    let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard (1...2).contains(sides.count),
      sides.allSatisfy({ (1...65_536).contains($0) })
    else {
      throw ValidationError(
        "--size must be height x width, such as 28x28, or one number for both, is \(text)")
    }
    (height, width) = (sides[0], sides[sides.count - 1])
  }
}
