import Diffusion
import Layers
import Models
import Tensors

/// Trains a denoiser: what it predicts of noisy images is compared with what the diffusion process says.
public struct DiffusionTask: TrainingTask {
  private let model: any Denoiser
  private let process: any DiffusionProcess
  /// [H, W, C].
  private let imageShape: [Int]
  private let seed: UInt64

  public init(_ model: any Denoiser, _ process: any DiffusionProcess, imageShape: [Int], seed: UInt64) {
    self.model = model
    self.process = process
    self.imageShape = imageShape
    self.seed = seed
  }

  public var parameters: ParameterLayout { model.parameters }

  public func losses(of input: TaskInput, on tape: Tape) -> TaskLosses {
    let (places, samples) = (input.places, input.samples)
    let size = imageShape.reduce(1, *)
    let labels = input.batch.labels[places]
    let classes = model.classes.map { known in
      switch input.use {
      case .training: known.trainingLabels(of: labels, seed: seed, step: input.step, samples: samples)
      case .validation: labels.map { known.label($0) }
      }
    }
    let examples = input.profile.measure("noise", .phase) {
      input.batch.images.withUnsafeBufferPointer { images in
        let own = UnsafeBufferPointer(
          rebasing: images[places.lowerBound * size..<places.upperBound * size])
        let shape = [samples.count] + imageShape
        return switch input.use {
        case .training:
          process.examples(
            of: own, shape: shape, seed: seed, step: input.step, samples: samples, on: tape)
        case .validation:
          process.validationExamples(of: own, shape: shape, seed: seed, samples: samples, on: tape)
        }
      }
    }
    let prediction = input.profile.measure("forward", .group) {
      model(
        examples.noisy, timesteps: examples.timesteps,
        conditioning: classes.map { Conditioning(classes: $0) } ?? .none(batch: samples.count))
    }
    return input.profile.measure("loss", .phase) {
      let loss = process.loss(of: prediction, for: examples)
      return TaskLosses(total: prediction.loss(value: loss.value, gradient: loss.gradient))
    }
  }
}
