import Randomness

extension TaskInput {
  /// One caption of each sample: in training any of its own, by (seed, step, sample); else the first.
  func captions(seed: UInt64) -> [String] {
    zip(batch.captions[places], samples).map { captions, sample in
      guard use == .training, captions.count > 1 else { return captions[0] }
      let stream = RandomStream(seed: seed, purpose: .captionChoice, step: step, sample: sample)
      return captions[stream.integer(below: captions.count)]
    }
  }
}
