import Kernels
import Randomness
import Tensors

/// The forward process and what a model is trained to tell about it.
public struct DiffusionProcess: Sendable {
  /// What the model predicts.
  public enum Objective: String, CaseIterable, Sendable {
    /// The noise ε (Ho et al., 2020, equation 14).
    case epsilon
  }

  public let schedule: NoiseSchedule
  public let objective: Objective
  public let loss: PredictionLoss

  public init(schedule: NoiseSchedule, objective: Objective = .epsilon, loss: PredictionLoss = .huber) {
    self.schedule = schedule
    self.objective = objective
    self.loss = loss
  }

  /// A training example for each image: the noisy image, its timestep, and what the model should answer.
  public struct Examples {
    public let noisy: Tensor
    public let timesteps: [Int]
    public let target: Storage
  }

  /// q(x_t | x_0) = N(sqrt(ᾱ_t) x_0, (1 - ᾱ_t) I) (Ho et al., 2020, equation 4), t and ε drawn for each sample.
  ///
  /// - Parameters:
  ///   - images: x_0, [B, H, W, C] in [-1, 1].
  ///   - samples: the images' positions in the step's batch, over all ranks.
  public func examples(
    of images: UnsafeBufferPointer<Float>, shape: [Int], seed: UInt64, step: Int, samples: Range<Int>,
    on tape: Tape
  ) -> Examples {
    precondition(
      shape[0] == samples.count && images.count == shape.reduce(1, *),
      "\(images.count) values are not \(samples.count) images of \(shape)")
    let timesteps = samples.map { sample in
      RandomStream(seed: seed, purpose: .timestep, step: step, sample: sample).integer(
        below: schedule.timesteps)
    }
    let noisy = tape.input(shape)
    let noise = tape.engine.storage(noisy.count)
    let size = noisy.count / samples.count
    tape.engine.threads.parallel(samples.count) { image, _ in
      let range = image * size..<(image + 1) * size
      let epsilon = UnsafeMutableBufferPointer(rebasing: noise.elements[range])
      RandomStream(seed: seed, purpose: .noise, step: step, sample: samples.lowerBound + image).fillNormal(
        epsilon)
      let cumulative = schedule.cumulativeAlphas[timesteps[image]]
      let (signal, spread) = (Float(cumulative.squareRoot()), Float((1 - cumulative).squareRoot()))
      for index in range { noisy.elements[index] = signal * images[index] + spread * noise.elements[index] }
    }
    return Examples(noisy: noisy, timesteps: timesteps.map { schedule.modelTimesteps[$0] }, target: noise)
  }

  /// The mean loss of `prediction`, and its gradient.
  public func loss(of prediction: Tensor, for examples: Examples) -> (value: Double, gradient: Storage) {
    let engine = prediction.tape.engine
    precondition(
      prediction.count == examples.target.count,
      "a prediction \(prediction.shape) for a target of \(examples.target.count) values")
    let gradient = engine.storage(prediction.count)
    let value = loss(
      prediction: prediction.storage.pointer, target: examples.target.pointer, batch: prediction.shape[0],
      size: prediction.count / prediction.shape[0], gradient: gradient.pointer, pool: engine.threads)
    return (value, gradient)
  }
}
