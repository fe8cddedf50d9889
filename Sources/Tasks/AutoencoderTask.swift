import Kernels
import Layers
import Models
import Randomness
import Tensors

/// Trains an autoencoder: decoded samples of the encoder's posterior are compared with the images, and the posterior
/// with the standard normal distribution (Kingma and Welling, 2014; the weights are those of Rombach et al., 2022,
/// section G).
///
/// loss = mean |x - x̂|^p + perceptual weight LPIPS(x, x̂) + kl_weight KL, with KL summed over a latent's values and
/// averaged over the batch. From a given step on, a discriminator is trained alongside it, see `Adversary`.
public struct AutoencoderTask: TrainingTask {
  private let model: AutoencoderKL
  public let parameters: ParameterLayout
  private let loss: PredictionLoss
  private let divergenceWeight: Float
  private let perceptual: PerceptualTerm?
  private let adversary: Adversary?
  /// [H, W, C].
  private let imageShape: [Int]
  private let seed: UInt64

  /// - Parameters:
  ///   - parameters: the model's, followed by the discriminator's if there is one.
  ///   - perceptual: term added to the distance; nil adds none.
  public init(
    _ model: AutoencoderKL, parameters: ParameterLayout, loss: PredictionLoss, divergenceWeight: Double,
    perceptual: PerceptualTerm? = nil, adversary: Adversary? = nil, imageShape: [Int], seed: UInt64
  ) {
    precondition(
      parameters.set == model.parameters.set && parameters.flatCount >= model.parameters.flatCount,
      "parameters of \(parameters.set) for a model of \(model.parameters.set)")
    self.model = model
    self.parameters = parameters
    self.loss = loss
    self.divergenceWeight = Float(divergenceWeight)
    self.perceptual = perceptual
    self.adversary = adversary
    self.imageShape = imageShape
    self.seed = seed
  }

  public var frozen: [BoundParameters] { perceptual.map { [$0.bound] } ?? [] }

  public var lossNames: [String] {
    ["reconstruction", "kl"] + (adversary == nil ? [] : ["generator", "discriminator", "adversary_weight"])
  }

  public func losses(of input: TaskInput, on tape: Tape) -> TaskLosses {
    let size = imageShape.reduce(1, *)
    let images = tape.input([input.samples.count] + imageShape)
    input.batch.images.withUnsafeBufferPointer { all in
      let range = input.places.lowerBound * size..<input.places.upperBound * size
      _ = images.elements.update(from: UnsafeBufferPointer(rebasing: all[range]))
    }
    // The validation loss must not change with the discriminator.
    let isJudged =
      input.use == .training && adversary.map { input.step >= $0.start } ?? false
    return losses(of: images, isJudged: isJudged, profile: input.profile) {
      PosteriorNoise(seed: seed, step: input.step).tensor(of: $0, samples: input.samples, on: tape)
    }
  }

  /// - Parameters:
  ///   - images: [B, H, W, C].
  ///   - isJudged: whether the discriminator contributes to the losses.
  ///   - noise: returns the posterior's noise for a shape of latents.
  package func losses(
    of images: Tensor, isJudged: Bool, profile: Profile? = nil, noise: (_ shape: [Int]) -> Tensor
  ) -> TaskLosses {
    let (posterior, features, reconstructions) = profile.measure("forward", .group) {
      let posterior = model.encode(images)
      let features = model.features(posterior.sample(noise: noise(posterior.mean.shape)))
      return (posterior, features, model.output(features))
    }
    return profile.measure("loss", .phase) {
      guard isJudged, let adversary else {
        let distance = distance(of: reconstructions, from: images)
        let divergence = posterior.divergence()
        return TaskLosses(
          total: Loss(distance + divergence.scaled(by: divergenceWeight)),
          parts: [distance, divergence].map { Double($0.elements[0]) }
            + (adversary == nil ? [] : [0, 0, 0]))
      }
      let judged = adversary.losses(
        of: reconstructions, from: images, features: features, in: model, distance: distance)
      let divergence = posterior.divergence()
      let ownLoss = judged.autoencoder.scalar + divergence.scaled(by: divergenceWeight)
      return TaskLosses(
        total: Loss(ownLoss + judged.discriminator),
        parts: [
          judged.distance, Double(divergence.elements[0]), judged.generator,
          Double(judged.discriminator.elements[0]), judged.factor,
        ])
    }
  }

  private func distance(of reconstructions: Tensor, from images: Tensor) -> Tensor {
    let distance = reconstructions.meanLoss(loss, target: images)
    return perceptual.map { distance + $0(reconstructions, images) } ?? distance
  }
}
