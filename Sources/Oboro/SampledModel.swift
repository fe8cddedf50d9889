import Configuration
import Diffusion
import Generation
import Interchange
import MPI
import Models
import Settings
import Tensors

/// What `oboro sample` draws with, on every rank: a run's checkpoint, or a pipeline folder of diffusers.
struct SampledModel {
  let model: any Denoiser
  let plan: SamplingPlan
  /// [H, W, C] of what the model draws.
  let shape: [Int]
  let classNames: [String]
  let weights: ParameterBuffer
  /// Of a model that draws latents.
  let decoder: LatentDecoder?

  /// Collective.
  ///
  /// - Parameters:
  ///   - path: a checkpoint, a run directory, or a folder with `model_index.json`.
  ///   - weights: of a checkpoint, the name of its weights or of an average.
  ///   - overrides: `sampling.KEY=VALUE`.
  ///   - autoencoder: where the autoencoder of a denoiser of latents lies now; nil: where it was.
  ///   - tell: what a user should know of how it was read.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  static func load(
    _ path: String, weights: String, overrides: [String], autoencoder: String? = nil, engine: Engine,
    on communicator: Communicator, tell: (String) -> Void
  ) throws -> SampledModel {
    if PipelineFolder.isOne(path) {
      return try load(folder: path, overrides: overrides, on: communicator, tell: tell)
    }
    let trained = try TrainedModel.load(path, weights: weights, overrides: overrides, on: communicator) {
      tell("passed over: \($0)")
    }
    let decoder = try trained.decoder(autoencoder, engine: engine, on: communicator)
    return try communicator.agree {
      SampledModel(
        model: try trained.configuration.requireDiffusion().model, plan: try trained.configuration.samplingPlan(),
        shape: trained.manifest.imageShape, classNames: trained.manifest.classNames,
        weights: trained.weights, decoder: decoder)
    }
  }

  private static func load(
    folder path: String, overrides: [String], on communicator: Communicator, tell: (String) -> Void
  ) throws -> SampledModel {
    let loaded = try communicator.agree {
      let folder = try PipelineFolder(path)
      let reader = try SettingsReader(SettingsNode.empty.applying(overrides: overrides))
      let options = try SamplingOptions(reader.section("sampling"))
      try reader.finish()
      let scheduler = try folder.scheduler(for: options.sampler)
      if communicator.rank == 0, let note = scheduler.note { tell(note) }
      // One rank reads the weights and gives them to the others.
      let weights =
        communicator.rank == 0
        ? try folder.weights() : ParameterBuffer(count: folder.model.parameters.flatCount)
      return SampledModel(
        model: folder.model, plan: try folder.samplingPlan(options, scheduler), shape: folder.imageShape,
        classNames: [], weights: weights, decoder: nil)
    }
    try communicator.broadcast(loaded.weights.elements)
    return loaded
  }
}
