import Diffusion
import Layers
import Models
import Tensors

/// Trains a denoiser: its predictions for noisy images are compared with the targets of the diffusion process. Images
/// may be latents of an autoencoder, drawn afresh from their posteriors at each step. The same loss also trains a
/// control network for a denoiser that stays frozen.
public struct DiffusionTask: TrainingTask {
  private let model: any Denoiser
  /// The model's parameters, and those of the text encoder trained alongside it.
  private let trained: ParameterLayout
  private let process: any DiffusionProcess
  /// [H, W, C].
  private let imageShape: [Int]
  private let seed: UInt64
  /// Scaling of latents; nil for images.
  private let scaling: LatentScaling?
  /// For a model that attends to texts.
  private let captions: CaptionConditioning?
  /// nil if the denoiser itself is trained.
  private let control: ControlConditioning?
  /// nil for a model without fields.
  private let fields: FieldConditioning?

  /// - Parameters:
  ///   - trained: the model's parameters, and those of the text encoder if it is trained; nil for the model's alone.
  ///   - scaling: scaling of the latents that batches hold in place of images; nil if they hold images.
  ///   - captions: caption conditioning, for a model that attends to texts.
  ///   - control: conditioning of a control network that is trained instead of the model; nil if there is none.
  ///   - fields: conditioning on other fields of the batch; nil for a model that sees none.
  public init(
    _ model: any Denoiser, _ process: any DiffusionProcess, trained: ParameterLayout? = nil,
    imageShape: [Int],
    scaling: LatentScaling? = nil, captions: CaptionConditioning? = nil, control: ControlConditioning? = nil,
    fields: FieldConditioning? = nil, seed: UInt64
  ) {
    self.model = model
    self.trained = trained ?? model.parameters
    self.process = process
    self.imageShape = imageShape
    self.seed = seed
    self.scaling = scaling
    self.captions = captions
    self.control = control
    self.fields = fields
  }

  public var parameters: ParameterLayout { control?.network.parameters ?? trained }

  public var frozen: [BoundParameters] {
    control.map { [BoundParameters(model.parameters.set, weights: $0.weights)] } ?? []
  }

  public func randomSamples(of input: TaskInput) -> TrainingSamples? {
    input.use == .training ? input.trainingSamples(seed: seed) : nil
  }

  public func losses(of input: TaskInput, on tape: Tape) -> TaskLosses {
    let (places, samples) = (input.places, input.samples)
    let labels = input.batch.labels[places]
    let classes = model.classes.map { known in
      switch input.use {
      case .training: known.trainingLabels(of: labels, seed: seed, step: input.step, samples: samples)
      case .validation: labels.map { known.label($0) }
      }
    }
    let examples = input.profile.measure("noise", .phase) {
      withImages(of: input) { images in
        let shape = [samples.count] + imageShape
        return switch input.use {
        case .training:
          process.examples(
            of: images, shape: shape, seed: seed, step: input.step, samples: samples, on: tape)
        case .validation:
          process.validationExamples(of: images, shape: shape, seed: seed, samples: samples, on: tape)
        }
      }
    }
    let prediction = input.profile.measure("forward", .group) {
      var conditioning = classes.map { Conditioning(classes: $0) } ?? .none(batch: samples.count)
      conditioning.context = captions.map { $0.context(of: texts(of: input, $0), on: tape) }
      conditioning.image = fields?.image(of: input, seed: seed, on: tape)
      conditioning.control = control.map {
        $0.residuals(
          of: input, seed: seed, examples.noisy, timesteps: examples.timesteps, conditioning)
      }
      return model(examples.noisy, timesteps: examples.timesteps, conditioning: conditioning)
    }
    return input.profile.measure("loss", .phase) {
      let loss = process.loss(of: prediction, for: examples)
      return TaskLosses(total: prediction.loss(value: loss.value, gradient: loss.gradient))
    }
  }

  /// The texts that condition the model.
  private func texts(of input: TaskInput, _ captions: CaptionConditioning) -> [String] {
    let own = captions.template(count: input.places.count) ?? input.captions(seed: seed)
    return switch input.use {
    case .training:
      captions.trainingTexts(of: own, seed: seed, step: input.step, samples: input.samples)
    case .validation: own
    }
  }

  /// Calls `body` with x_0 of the micro-batch, [B, H, W, C].
  private func withImages<Result>(
    of input: TaskInput, _ body: (UnsafeBufferPointer<Float>) -> Result
  ) -> Result {
    let size = imageShape.reduce(1, *)
    let range = input.places.lowerBound * size..<input.places.upperBound * size
    guard let scaling else {
      return input.batch.images.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[range])) }
    }
    guard let means = input.batch[.latentMean]?.floats, let deviations = input.batch[.latentDeviation]?.floats
    else { preconditionFailure("a batch without latents") }
    let noise = PosteriorNoise(seed: seed, step: input.step)
    var latents = [Float](repeating: 0, count: range.count)
    latents.withUnsafeMutableBufferPointer { latents in
      for (place, sample) in input.samples.enumerated() {
        let own = UnsafeMutableBufferPointer(rebasing: latents[place * size..<(place + 1) * size])
        noise.fill(own, sample: sample)
        let start = range.lowerBound + place * size
        for index in own.indices {
          own[index] = scaling.scaled(means[start + index] + deviations[start + index] * own[index])
        }
      }
    }
    return latents.withUnsafeBufferPointer(body)
  }
}
