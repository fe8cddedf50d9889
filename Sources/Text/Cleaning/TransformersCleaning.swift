/// The cleaning of transformers' `CLIPTokenizer` before word splitting (version 5, whose only class is built on the
/// tokenizers library; diffusers loads it): normalisation form C, white space collapsed to one space, and lower case,
/// scalar by scalar. Unlike the Python class of versions before 5, it never used ftfy or removed accents.
enum TransformersCleaning {
  static func clean(_ text: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar] {
    let composed = CanonicalComposition.normalize(Array(text))
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(composed.count)
    var followsSpace = false
    for scalar in composed {
      let isSpace = scalar.properties.isWhitespace
      if isSpace {
        if !followsSpace { result.append(" ") }
      } else {
        result.appendLowercase(of: scalar)
      }
      followsSpace = isSpace
    }
    return result
  }
}

extension [Unicode.Scalar] {
  mutating func appendLowercase(of scalar: Unicode.Scalar) {
    if scalar.isASCII {
      append(("A"..."Z").contains(scalar) ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar)
    } else {
      append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
    }
  }
}
