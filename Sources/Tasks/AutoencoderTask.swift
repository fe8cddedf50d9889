import Kernels
import Layers
import Models
import Randomness
import Tensors

/// Trains an autoencoder: what its decoder makes of a sample of the encoder's posterior is compared with the image, and
/// the posterior with the standard normal distribution (Kingma and Welling, 2014; the weights are those of Rombach et al.,
/// 2022, section G).
///
/// loss = mean |x - x̂|^p + kl_weight KL, with KL summed over a latent's values and averaged over the batch.
public struct AutoencoderTask: TrainingTask {
  private let model: AutoencoderKL
  private let loss: PredictionLoss
  private let divergenceWeight: Float
  /// [H, W, C].
  private let imageShape: [Int]
  private let seed: UInt64

  public init(
    _ model: AutoencoderKL, loss: PredictionLoss, divergenceWeight: Double, imageShape: [Int], seed: UInt64
  ) {
    self.model = model
    self.loss = loss
    self.divergenceWeight = Float(divergenceWeight)
    self.imageShape = imageShape
    self.seed = seed
  }

  public var parameters: ParameterLayout { model.parameters }
  public var lossNames: [String] { ["reconstruction", "kl"] }

  public func losses(of input: TaskInput, on tape: Tape) -> TaskLosses {
    let size = imageShape.reduce(1, *)
    let images = tape.input([input.samples.count] + imageShape)
    input.batch.images.withUnsafeBufferPointer { all in
      let range = input.places.lowerBound * size..<input.places.upperBound * size
      _ = images.elements.update(from: UnsafeBufferPointer(rebasing: all[range]))
    }
    let (posterior, reconstructions) = input.profile.measure("forward", .group) {
      let posterior = model.encode(images)
      let noise = PosteriorNoise(seed: seed, step: input.step)
        .tensor(of: posterior.mean.shape, samples: input.samples, on: tape)
      return (posterior, model.decode(posterior.sample(noise: noise)))
    }
    return input.profile.measure("loss", .phase) {
      let distance = reconstructions.meanLoss(loss, target: images)
      let divergence = posterior.divergence()
      return TaskLosses(
        total: Loss(distance + divergence.scaled(by: divergenceWeight)),
        parts: [distance, divergence].map { Double($0.elements[0]) })
    }
  }
}
