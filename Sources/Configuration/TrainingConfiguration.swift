import Diffusion
import Files
import Layers
import Models
import Settings

/// Everything that determines what a run computes: a YAML file with its overrides, read and validated.
public struct TrainingConfiguration: Sendable {
  public let dataset: DatasetSettings
  /// What is trained, and with which loss.
  public let task: TaskSettings
  /// Source of the model's initial weights: a run, a checkpoint, a safetensors file or a diffusers folder; nil for
  /// random initialisation.
  public let base: String?
  /// The adapter trained on top of the frozen model; nil trains the model itself.
  public let adapter: AdapterSection?
  /// The word whose vectors are trained while everything else stays frozen; nil if there is none.
  public let inversion: InversionSection?
  public let optimizer: OptimizerSettings
  /// The optimiser of the discriminator trained alongside an autoencoder; nil if there is none.
  public let discriminatorOptimizer: OptimizerSettings?
  public let training: TrainingSettings
  public let ema: AverageSettings
  public let checkpoint: CheckpointSettings
  public let sampling: SamplingSettings
  /// Every key with its value, defaults included, as stored in `config.yaml` and checkpoints.
  public let resolved: SettingsNode
  /// `resolved` as YAML, with a short comment on each key.
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
    let node = try TaskSettings.completed(node)
    let reader = try SettingsReader(node)
    let datasetReader = try reader.section("dataset")
    dataset = try DatasetSettings(datasetReader)
    task = try TaskSettings(reader, node)
    base = try Self.base(reader)
    adapter = try AdapterSection(reader, of: task, base: base)
    inversion = try InversionSection(reader, of: task, base: base)
    let optimizerReader = try reader.section("optimizer")
    let trainingReader = try reader.section("training")
    training = try TrainingSettings(trainingReader)
    optimizer = try OptimizerSettings(optimizerReader, steps: training.steps)
    let steps = training.steps
    discriminatorOptimizer = try task.adversary.map {
      try OptimizerSettings(
        reader.section(TaskSettings.AdversarySection.key).section("optimizer"),
        steps: max(steps - $0.start, 1))
    }
    if adapter != nil, task.adversary != nil {
      throw reader.invalid(
        AdapterSection.key, "is trained alone: leave the section \(TaskSettings.AdversarySection.key) away")
    }
    ema = try AverageSettings(reader.section("ema"))
    checkpoint = try CheckpointSettings(reader.section("checkpoint"))
    let samplingReader = try reader.section("sampling")
    sampling = try SamplingSettings(samplingReader, draws: task.diffusion != nil)
    if !sampling.prompts.isEmpty, task.diffusion?.text == nil {
      throw samplingReader.invalid(
        "prompts", "are for a denoiser that reads texts: set conditioning.text_encoder")
    }
    try reader.finish()
    if case .autoencoder = task, training.precision != .float32 {
      throw trainingReader.invalid(
        "precision", "is for denoisers and clip: an autoencoder is trained in float32")
    }
    switch (training.validationEvery, dataset.validationPath) {
    case (1..., ""):
      throw trainingReader.invalid(
        "validation_every", "there are no held-out samples: set dataset.validation_path")
    case (0, let path) where !path.isEmpty:
      throw datasetReader.invalid("validation_path", "is never looked at: set training.validation_every")
    default: break
    }
    resolved = reader.resolved
    commentedYAML = reader.commentedYAML()
    // Invalid sampling settings are reported before training starts.
    if task.diffusion != nil { _ = try samplingPlan() }
  }

  /// The network that is trained.
  public var model: TrainedNetwork { task.network }

  /// The section of the trained denoiser.
  ///
  /// - Throws: `ModelError` if another kind of network is trained.
  public func requireDiffusion() throws -> TaskSettings.DiffusionSection {
    switch model {
    case .denoiser: break
    case .control:
      throw ModelError(
        "the model is a control network (model.kind), which draws by pictures alone: oboro sample does, with --control"
      )
    case .autoencoder:
      throw ModelError(
        "the model is an autoencoder (training.task), which reconstructs images and draws none")
    case .contrastive:
      throw ModelError("the model is a clip (training.task), which compares images and texts and draws none")
    }
    guard let section = task.diffusion else { preconditionFailure("a denoiser without a process") }
    return section
  }

  /// The parameters of the network from `base` if it stays frozen; nil if everything is trained.
  public var frozenParameters: ParameterLayout? {
    model.frozenParameters ?? (adapter == nil && inversion == nil ? nil : model.parameters)
  }

  /// The section that describes the network from `base`.
  public var baseSection: SettingsNode {
    resolved[model.frozenParameters == nil ? "model" : TaskSettings.denoiserKey] ?? .empty
  }

  /// The parameters that training updates.
  public var trainedParameters: ParameterLayout {
    inversion?.table.parameters ?? adapter?.joint.parameters ?? task.parameters
  }

  /// How samples are drawn from the denoiser that is trained or controlled.
  ///
  /// - Throws: `SamplingError` if the `sampling` section is incompatible with the process; `ModelError` if no denoiser
  ///   is trained.
  public func samplingPlan() throws -> SamplingPlan {
    try SamplingPlan(
      process: (task.diffusion ?? requireDiffusion()).process, options: sampling.options)
  }

  /// Whether a run may resume with another value of the key at `path`, since no result, past or future, depends on it.
  /// This includes `training.steps` if no schedule depends on the total, and the dataset's path, since its contents
  /// have a digest.
  package func isFree(toChange path: String) -> Bool {
    if path == "training.steps" {
      return ![optimizer, discriminatorOptimizer].contains { $0?.schedule.dependsOnTotal == true }
    }
    return Self.freeKeys.contains(path) || Self.freeSections.contains { path.hasPrefix($0) }
  }

  private static let freeKeys: Set = [
    "training.recompute", "training.bucket_bytes", "training.log_every", "training.max_skipped_steps",
    "training.replica_check_every", "training.heartbeat_timeout_seconds", "training.straggler_share",
    "training.validation_every", "training.validation_samples",
    "dataset.path", "dataset.verify", "dataset.validation_path", "autoencoder.path",
    "autoencoder.perceptual_path", baseKey,
    "conditioning.text_encoder", "conditioning.tokenizer",
  ]
  private static let freeSections = ["checkpoint.", "sampling."]
}
