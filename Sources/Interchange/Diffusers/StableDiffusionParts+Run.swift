import Checkpoints
import Configuration
import Diffusion
import Files
import Models
import Settings
import Text

extension StableDiffusionParts {
  /// The weights of a run that was trained on latents and captions, with the autoencoder and the text encoder of its
  /// dataset.
  ///
  /// - Throws: `ModelFileError` for a run that the pipeline does not support; `CheckpointError` if the autoencoder or
  ///   the text encoder has changed since; errors of reading them.
  init(_ checkpoint: Checkpoint, weights which: StateMember) throws {
    let manifest = checkpoint.manifest
    func refuse(_ problem: String) -> ModelFileError { ModelFileError(checkpoint.directory, problem) }
    guard let texts = manifest.texts, let latents = manifest.latents else {
      throw refuse(
        "draws \(manifest.texts == nil ? "latents without texts" : "images, not latents"), and diffusers' "
          + "StableDiffusionPipeline draws latents of texts")
    }
    let configuration = try TrainingConfiguration(manifest.configuration)
    let section = try configuration.requireDiffusion()
    guard let process = section.process as? DDPMProcess else {
      throw refuse(
        "StableDiffusionPipeline samples the process ddpm, and this is \(section.process.kind.rawValue)")
    }
    guard section.model is UNetCondition, section.model.predictionChannels == section.model.imageChannels
    else {
      throw refuse(
        "StableDiffusionPipeline draws with a unet-condition that predicts as many channels as its latents have"
      )
    }

    let tokenizer = try CLIPTokenizer(path: texts.tokenizer)
    let encoder = try TextEncoderSource(of: checkpoint, texts, weights: which)
    guard !encoder.section.saysSomething(of: "clip_skip") else {
      throw refuse(
        "its text encoder leaves out its last layers (clip_skip), which a pipeline's folder cannot say")
    }
    let decoder = try AutoencoderSource(latents.autoencoder) { _ in }
    try latents.require(decoder.digest(), of: latents.autoencoder, for: checkpoint.directory)

    typealias Name = PipelineFolder.Name
    let shape = manifest.imageShape
    func size(_ factor: Int) -> SettingsNode {
      let sides = shape.prefix(2).map { $0 * factor }
      return sides[0] == sides[1] ? SettingsNode(sides[0]) : SettingsNode(sides)
    }
    let factor = decoder.model.downsampling
    self.init(
      denoiser: Component(
        try (manifest.configuration[BaseModel.sectionKey] ?? .empty).published(of: checkpoint.directory),
        [(Name.pipelineClass, SettingsNode(StableDiffusionParts.Class.denoiser)), (Name.size, size(1))],
        section.model.parameters,
        try checkpoint.modelWeights(which, configuration)),
      autoencoder: Component(
        try decoder.section.published(of: latents.autoencoder),
        [
          (Name.pipelineClass, SettingsNode(StableDiffusionParts.Class.autoencoder)),
          (Name.size, SettingsNode(max(shape[0], shape[1]) * factor)),
          ("scaling_factor", SettingsNode(latents.scalingFactor)),
          ("shift_factor", latents.shift == 0 ? .null : SettingsNode(latents.shift)),
        ], decoder.model.parameters, decoder.weights),
      textEncoder: Component(
        encoder.section, StableDiffusionParts.textEncoderKeys,
        encoder.model.parameters, encoder.weights), tokenizer: tokenizer,
      scheduler: try SchedulerConfiguration(
        of: process, sampler: configuration.sampling.options.sampler ?? .ddim))
  }
}

extension SettingsNode {
  /// Whether the key is present with a value other than null or 0.
  fileprivate func saysSomething(of key: String) -> Bool {
    guard case .scalar(let value)? = self[key]?.content else { return false }
    return value.meaning != .nothing && value.text != "0"
  }
}
