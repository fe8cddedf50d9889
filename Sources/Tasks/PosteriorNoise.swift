import Randomness
import Tensors

/// The noise with which a training step draws latents from an autoencoder's posterior: standard normal numbers
/// determined by (seed, step, sample).
struct PosteriorNoise {
  let seed: UInt64
  let step: Int

  /// Writes the noise of the sample at a position of the step's batch.
  func fill(_ values: UnsafeMutableBufferPointer<Float>, sample: Int) {
    RandomStream(seed: seed, purpose: .posterior, step: step, sample: sample).fillNormal(values)
  }

  /// The noise of latents [B, H, W, C].
  func tensor(of shape: [Int], samples: Range<Int>, on tape: Tape) -> Tensor {
    precondition(shape[0] == samples.count, "\(samples.count) samples for latents \(shape)")
    let noise = tape.input(shape)
    let size = noise.count / samples.count
    tape.engine.threads.parallel(samples.count) { place, _ in
      fill(
        UnsafeMutableBufferPointer(rebasing: noise.elements[place * size..<(place + 1) * size]),
        sample: samples.lowerBound + place)
    }
    return noise
  }
}
