import Diffusion
import Files
import Models
import Settings

/// All that decides what a run computes: a YAML file with its overrides, read and checked.
public struct TrainingConfiguration: Sendable {
  public let dataset: DatasetSettings
  public let model: any DenoisingModel
  public let diffusion: any DiffusionProcess
  public let optimizer: OptimizerSettings
  public let training: TrainingSettings
  public let checkpoint: CheckpointSettings
  public let sampling: SamplingSettings
  /// Every key with its value, defaults filled in: what `config.yaml` and checkpoints hold.
  public let resolved: SettingsNode
  /// `resolved` as YAML, with a word about each key.
  public let commentedYAML: String

  /// - Parameters:
  ///   - path: a YAML file.
  ///   - overrides: `KEY=VALUE`, such as `training.steps=60`.
  /// - Throws: `SettingsError`; `FileError` if the file cannot be read.
  public init(file path: String, overrides: [String] = []) throws {
    try self.init(SettingsNode(contentsOfFile: path).applying(overrides: overrides))
  }

  /// - Throws: `SettingsError`.
  public init(_ node: SettingsNode) throws {
    let reader = try SettingsReader(node)
    dataset = try DatasetSettings(reader.section("dataset"))
    let modelReader = try reader.section("model")
    model = try ModelKind.model(modelReader)
    let diffusionReader = try reader.section("diffusion")
    diffusion = try DiffusionSettings.process(diffusionReader)
    optimizer = try OptimizerSettings(reader.section("optimizer"))
    training = try TrainingSettings(reader.section("training"))
    checkpoint = try CheckpointSettings(reader.section("checkpoint"))
    sampling = try SamplingSettings(reader.section("sampling"))
    try reader.finish()
    guard diffusion.kind == .ddpm else {
      throw diffusionReader.invalid(
        "process", "\(diffusion.kind.rawValue) has fractional timesteps, and models take whole ones")
    }
    guard model.predictionChannels == model.imageChannels * diffusion.outputsPerChannel else {
      throw modelReader.invalid(
        model.predictionChannelsKey,
        "the model predicts \(model.predictionChannels) channels of images of \(model.imageChannels): "
          + "the process needs \(model.imageChannels * diffusion.outputsPerChannel)")
    }
    resolved = reader.resolved
    commentedYAML = reader.commentedYAML()
  }
}
