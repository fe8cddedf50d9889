import Randomness

/// A context of random numbers in place of an embedded text: what is measured with it does not depend on the values.
struct RandomContext {
  /// [L, D].
  let shape: [Int]
  let values: [Float]

  /// The tokens of a text, by CLIP's text encoders.
  private static let tokens = 77

  init(width: Int) {
    shape = [Self.tokens, width]
    values = [Float](unsafeUninitializedCapacity: Self.tokens * width) { buffer, count in
      RandomStream(seed: 0, purpose: .samplerStart, sample: 0).fillNormal(buffer)
      count = buffer.count
    }
  }
}
