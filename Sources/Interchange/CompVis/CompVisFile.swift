import Diffusion
import Files
import Foundation
import Layers
import Models
import Safetensors
import Settings
import Tensors
import Text

/// A complete Stable Diffusion 1 or 2 in one safetensors file, as used by its original programs (CompVis, Stability AI)
/// and most user interfaces.
///
/// The file describes its networks only by the names and shapes of tensors, from which their settings are inferred. The
/// remaining settings are Stable Diffusion's: eight attention heads (in version 2, heads of 64 channels), 32 groups, the
/// scaled-linear schedule. What version 2 predicts cannot be inferred and must be given.
public struct CompVisFile {
  let file: SafetensorsFile
  /// Whether the file is Stable Diffusion 2's, whose text encoder is open_clip's.
  let isSecondVersion: Bool
  typealias Prefix = CompVisNames.Prefix

  /// - Throws: `ModelFileError` for another file, or one with several text encoders; `SafetensorsError`, `FileError`.
  public init(_ path: String) throws {
    file = try SafetensorsFile(path: path)
    guard file.names.contains(where: { $0.hasPrefix(Prefix.denoiser) }) else {
      throw ModelFileError(
        path,
        "is no file of Stable Diffusion's original program: none of its tensors is named \(Prefix.denoiser)..."
      )
    }
    guard !file.names.contains(where: { $0.hasPrefix(Prefix.severalTextEncoders) }) else {
      throw ModelFileError(
        path, "is of Stable Diffusion XL (it has \(Prefix.severalTextEncoders)...), which is not supported")
    }
    isSecondVersion = file.names.contains { $0.hasPrefix(Prefix.openTextEncoder) }
  }

  /// Tensors that are not used here, such as the averaged weights.
  public var unused: [String] {
    let prefixes = [Prefix.denoiser, Prefix.autoencoder, Prefix.textEncoder, Prefix.openTextEncoder]
    let names = file.names.filter { name in
      !prefixes.contains { name.hasPrefix($0) } && !Self.buffers.contains(name)
    }
    return Set(names.map { String($0.prefix { $0 != "." }) }).sorted()
  }

  /// Tensors in which the original program stores its noise schedule.
  private static let buffers: Set = [
    "betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod",
    "posterior_variance", "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2",
    "logvar", "model_ema.decay", "model_ema.num_updates",
  ]

  /// Writes a diffusers folder.
  ///
  /// - Parameters:
  ///   - tokenizer: the path of the tokeniser, which the file does not contain.
  ///   - overrides: `PART.KEY=VALUE` for the settings of `unet`, `vae`, `text_encoder` and `scheduler`.
  ///   - directory: must not exist yet; it appears when it is complete.
  /// - Throws: `ModelFileError` naming tensors that are missing, unused or of another shape; `SettingsError`,
  ///   `TokenizerError`, `SafetensorsError`, `FileError`.
  public func write(tokenizer path: String, overrides: [String], to directory: String) throws {
    guard !FileManager.default.fileExists(atPath: directory) else {
      throw FileError("create", directory, code: EEXIST)
    }
    let settings = try SettingsNode.empty.applying(overrides: overrides)
    if let other = settings.entries?.first(where: { !Self.parts.contains($0.key) }) {
      throw SettingsError(path: other.key, "expected a key of \(Self.parts.joined(separator: ", "))")
    }
    func section(_ part: String, _ found: SettingsNode) -> SettingsNode {
      (settings[part]?.entries ?? []).reduce(found) { $0.setting($1.key, to: $1.node) }
    }
    typealias Name = PipelineFolder.Name
    let schedulerSection = section(Name.scheduler, Self.scheduler)
    if isSecondVersion, settings[Name.scheduler]?["prediction_type"] == nil {
      throw SettingsError(
        path: "scheduler.prediction_type",
        "what Stable Diffusion 2 predicts is not in its file: give v_prediction for models of 768x768 pixels, epsilon for "
          + "base models, of 512x512")
    }
    let (unet, attendsUp, layers) = try denoiser(
      predictsVelocity: schedulerSection["prediction_type"]?.json == "\"v_prediction\"")
    let denoiserSection = section(Name.unet, unet)
    let model = try network(denoiserSection, "unet") { try DenoiserKind.model($0) }
    let (vae, resolutions) = try autoencoder()
    let autoencoderSection = section(Name.autoencoder, vae)
    let decoder = try network(autoencoderSection, "vae") { try AutoencoderKind.model($0) }
    let textSection = section(Name.textEncoder, try textEncoder())
    let encoder = try network(textSection, "text_encoder") { try TextEncoderKind.model($0) }
    // The original merges file does not define padding.
    let read = try CLIPTokenizer(path: path)
    let tokenizer = read.padding(with: isSecondVersion ? Self.exclamationMark : read.endToken)
    try PipelineText.requireFit(tokenizer, encoder, path)

    func weights(
      _ layout: ParameterLayout, _ prefix: String, without others: [String] = [],
      _ place: (String) -> CompVisNames.Place
    ) throws -> ParameterBuffer {
      try StateDict.weights(
        of: layout, in: RenamedTensors(file, prefix: prefix, without: others, layout, place))
    }
    let parts = StableDiffusionParts(
      denoiser: .init(
        denoiserSection, [(Name.pipelineClass, SettingsNode(StableDiffusionParts.Class.denoiser))],
        model.parameters,
        try weights(model.parameters, Prefix.denoiser) {
          .init(CompVisNames.denoiser($0, layers: layers, attendsUp: attendsUp))
        }),
      autoencoder: .init(
        autoencoderSection, [(Name.pipelineClass, SettingsNode(StableDiffusionParts.Class.autoencoder))],
        decoder.parameters,
        try weights(decoder.parameters, Prefix.autoencoder) {
          .init(CompVisNames.autoencoder($0, resolutions: resolutions))
        }),
      textEncoder: .init(
        textSection, StableDiffusionParts.textEncoderKeys, encoder.parameters,
        isSecondVersion
          ? try weights(
            encoder.parameters, Prefix.openTextEncoder, without: openTextOthers, CompVisNames.openTextEncoder)
          : try weights(encoder.parameters, Prefix.textEncoder) { .init(CompVisNames.textEncoder($0)) }),
      tokenizer: tokenizer,
      scheduler: try SchedulerConfiguration(schedulerSection))
    try parts.write(to: directory)
  }

  private static let parts = [
    PipelineFolder.Name.unet, PipelineFolder.Name.autoencoder, PipelineFolder.Name.textEncoder,
    PipelineFolder.Name.scheduler,
  ]

  /// The token that Stable Diffusion 2 pads texts with.
  private static let exclamationMark = 0

  /// Stable Diffusion's noise schedule, in the class of its sampler.
  private static let scheduler: SettingsNode = [
    "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_schedule": "scaled_linear",
    "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": false, "set_alpha_to_one": false,
    "steps_offset": 1, "prediction_type": "epsilon",
  ]

  private func network<Network>(
    _ section: SettingsNode, _ part: String, _ make: (SettingsReader) throws -> Network
  ) throws -> Network {
    let reader = try SettingsReader(section, path: part)
    let network = try make(reader)
    try reader.finish()
    return network
  }
}
