import Randomness

extension TaskInput {
  /// One caption per sample: in training, drawn from the sample's captions by (seed, step, sample); otherwise the
  /// first.
  func captions(seed: UInt64) -> [String] {
    zip(batch.captions[places], samples).map { captions, sample in
      guard use == .training, captions.count > 1 else { return captions[0] }
      let stream = RandomStream(seed: seed, purpose: .captionChoice, step: step, sample: sample)
      return captions[stream.integer(below: captions.count)]
    }
  }
}
