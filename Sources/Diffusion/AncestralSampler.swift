import Kernels
import Randomness
import Tensors

/// Ancestral sampling: from pure noise back, step by step (Ho et al., 2020, algorithm 2).
public struct AncestralSampler {
  private let process: DiffusionProcess
  private let schedule: NoiseSchedule
  private let seed: UInt64

  /// - Parameter steps: how many of the timesteps to visit; nil: all.
  public init(process: DiffusionProcess, steps: Int? = nil, seed: UInt64) {
    self.process = process
    schedule = steps.map { process.schedule.respaced(to: $0) } ?? process.schedule
    self.seed = seed
  }

  /// Model evaluations for each image.
  public var steps: Int { schedule.timesteps }

  /// Images x_0 [samples, H, W, C], about in [-1, 1]; image i depends on the seed and on its number alone.
  ///
  /// - Parameters:
  ///   - shape: [H, W, C].
  ///   - samples: the numbers of the images.
  ///   - predict: the model: noisy images and timesteps to its prediction.
  ///   - onStep: called after each step with the steps done and the images as they are now.
  public func sample(
    shape: [Int], samples: Range<Int>, engine: Engine, predict: (_ x: Tensor, _ timesteps: [Int]) -> Tensor,
    weights: ParameterBuffer,
    onStep: (_ done: Int, _ images: UnsafeBufferPointer<Float>) throws -> Void = { _, _ in }
  ) rethrows -> [Float] {
    let size = shape.reduce(1, *)
    var images = [Float](repeating: 0, count: samples.count * size)
    for (place, sample) in samples.enumerated() {
      images.withUnsafeMutableBufferPointer {
        RandomStream(seed: seed, purpose: .samplerStart, sample: sample)
          .fillNormal(UnsafeMutableBufferPointer(rebasing: $0[place * size..<(place + 1) * size]))
      }
    }
    for t in (0..<schedule.timesteps).reversed() {
      let tape = Tape(engine: engine, weights: weights, gradients: nil)
      let x = tape.input([samples.count] + shape)
      _ = x.elements.update(fromContentsOf: images)
      let timesteps = [Int](repeating: schedule.modelTimesteps[t], count: samples.count)
      let prediction = predict(x, timesteps)
      precondition(prediction.shape == x.shape, "a prediction \(prediction.shape) for images \(x.shape)")
      images.withUnsafeMutableBufferPointer { images in
        engine.threads.parallel(samples.count) { place, _ in
          let range = place * size..<(place + 1) * size
          stepBack(
            UnsafeMutableBufferPointer(rebasing: images[range]),
            epsilon: UnsafeMutableBufferPointer(rebasing: prediction.elements[range]), t: t,
            sample: samples.lowerBound + place)
        }
      }
      try images.withUnsafeBufferPointer { try onStep(schedule.timesteps - t, $0) }
    }
    return images
  }

  /// x_{t-1} = (x_t - β_t ε / sqrt(1 - ᾱ_t)) / sqrt(1 - β_t) + σ_t z (Ho et al., 2020, equation 11), with
  /// σ_t² = β̃_t, and z = 0 at the last step. Uses up `epsilon`.
  private func stepBack(
    _ x: UnsafeMutableBufferPointer<Float>, epsilon: UnsafeMutableBufferPointer<Float>, t: Int, sample: Int
  ) {
    let beta = schedule.betas[t]
    let scale = Float(1 / (1 - beta).squareRoot())
    let share = Float(beta / (1 - schedule.cumulativeAlphas[t]).squareRoot())
    for index in x.indices { x[index] = scale * (x[index] - share * epsilon[index]) }
    guard t > 0 else { return }
    let deviation = Float(schedule.posteriorVariance(t).squareRoot())
    let z = epsilon
    RandomStream(seed: seed, purpose: .samplerNoise, step: t, sample: sample).fillNormal(z)
    for index in x.indices { x[index] += deviation * z[index] }
  }
}
