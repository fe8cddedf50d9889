/// open_clip's cleaning of a text before word splitting: ftfy's repairs, two passes over HTML character references,
/// runs of white space collapsed to one space and trimmed at the ends, and Python's lower case.
enum OpenCLIPCleaning {
  static func clean(_ text: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar] {
    var scalars = TextRepair.repair(Array(text))
    for _ in 0..<2 { scalars = HTMLEntities.unescape(scalars) }
    return lowercase(collapseSpace(scalars))
  }

  private static func collapseSpace(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var isPending = false
    for scalar in text {
      if scalar.isPythonSpace {
        isPending = true
      } else {
        if isPending, !result.isEmpty { result.append(" ") }
        isPending = false
        result.append(scalar)
      }
    }
    return result
  }

  /// Unicode's default lower case, in which a capital sigma at the end of a word becomes the final form (section 3.13,
  /// table 3-17).
  static func lowercase(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var followsCased = false
    for (place, scalar) in text.enumerated() {
      if scalar == "\u{3A3}" {
        let next = text[(place + 1)...].first { !$0.properties.isCaseIgnorable }
        result.append(followsCased && !(next?.properties.isCased ?? false) ? "\u{3C2}" : "\u{3C3}")
      } else {
        result.appendLowercase(of: scalar)
      }
      if !scalar.properties.isCaseIgnorable { followsCased = scalar.properties.isCased }
    }
    return result
  }
}
