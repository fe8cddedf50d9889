import Diffusion
import Files
import Foundation
import Models
import Safetensors
import Settings
import Tensors

/// A folder in the layout of diffusers' pipelines: `model_index.json` and a folder per component, with a `config.json`
/// and safetensors files of its weights.
public struct PipelineFolder {
  /// File names and keys of the layout.
  enum Name {
    static let index = "model_index.json"
    static let pipelineClass = "_class_name"
    static let unet = "unet"
    static let autoencoder = "vae"
    static let textEncoder = "text_encoder"
    static let tokenizer = "tokenizer"
    static let control = "controlnet"
    static let scheduler = "scheduler"
    static let configuration = "config.json"
    static let schedulerConfiguration = "scheduler_config.json"
    /// The file name of weights before `.safetensors`.
    static let weights = "diffusion_pytorch_model"
    /// The same for transformers models.
    static let textWeights = "model"
    static let library = "diffusers"
    static let size = "sample_size"
  }

  public let path: String
  /// The denoiser.
  public let model: any Denoiser
  /// Embeds prompts for cross-attention; nil for a model without text conditioning.
  public let text: PipelineText?
  /// Decodes the model's latents to images; nil for a pixel-space model.
  public let autoencoder: AutoencoderKL?
  /// Controls sampling by an image; nil if there is no control network.
  public let control: (any ControlNetwork)?
  /// [H, W, C] of the images or latents for which the network was made.
  public let shape: [Int]
  /// The names of omitted components.
  public let unused: [String]
  /// The section `model` of a configuration that describes it.
  let section: SettingsNode

  /// Whether `path` is such a folder.
  public static func isOne(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(path)/\(Name.index)")
  }

  /// Reads the configurations.
  ///
  /// - Parameter skippedLayers: the number of final layers of the text encoder that are skipped for prompts.
  /// - Throws: `ModelFileError` for unsupported pipelines and networks, and for components that are missing or do not
  ///   fit together; `SettingsError`, `TokenizerError`, `FileError`.
  public init(_ path: String, skippedLayers: Int = 0) throws {
    self.path = path
    let index = try PipelineIndex(folder: path)
    let file = "\(path)/\(Name.unet)/\(Name.configuration)"
    let className = try index.requiredClass(
      of: Name.unet, among: DenoiserKind.allCases.compactMap(\.className),
      for: "there is nothing to draw with")
    guard let kind = DenoiserKind(className: className) else {
      preconditionFailure("no network \(className)")
    }
    let configuration = try Self.json(file)
    section = configuration.setting("kind", to: SettingsNode(kind.rawValue))
    model = try Self.network(section, file) { try DenoiserKind.model($0) }
    unused = index.unused
    text = try PipelineText(path, index, model: model, skippedLayers: skippedLayers)
    autoencoder = try Self.autoencoder(path, index, model)
    control = try Self.control(path, index, model)
    shape = try Self.shape(configuration, model, file)
  }

  /// The network described by a component's settings.
  ///
  /// - Throws: `SettingsError`, which names keys of `file`.
  static func network<Network>(
    _ section: SettingsNode, _ file: String, _ make: (SettingsReader) throws -> Network
  ) throws -> Network {
    let reader = try SettingsReader(section)
    let network = try make(reader)
    try reader.finish()
    return network
  }

  static func json(_ file: String) throws -> SettingsNode {
    try SettingsNode(yaml: content(file), source: file)
  }

  private static func content(_ file: String) throws -> String {
    guard FileManager.default.fileExists(atPath: file) else { throw ModelFileError(file, "is missing") }
    return String(decoding: try WholeFile.read(file), as: UTF8.self)
  }

  private static func autoencoder(
    _ path: String, _ index: PipelineIndex, _ model: any Denoiser
  ) throws -> AutoencoderKL? {
    let isLatent = index.pipelineClass?.hasPrefix("StableDiffusion") ?? false
    guard try isLatent || index.className(of: Name.autoencoder) != nil else { return nil }
    _ = try index.requiredClass(
      of: Name.autoencoder, among: ["AutoencoderKL"],
      for: "\(index.pipelineClass ?? "the pipeline") draws latents, which it turns into images")
    let file = "\(path)/\(Name.autoencoder)/\(Name.configuration)"
    let kind = SettingsNode(AutoencoderKind.kl.rawValue)
    let autoencoder = try network(json(file).setting("kind", to: kind), file) {
      try AutoencoderKind.model($0)
    }
    guard autoencoder.latentChannels == model.imageChannels else {
      throw ModelFileError(
        path,
        "its \(Name.unet) draws \(model.imageChannels) channels, and the latents of its \(Name.autoencoder) have "
          + "\(autoencoder.latentChannels)")
    }
    return autoencoder
  }

  private static func control(
    _ path: String, _ index: PipelineIndex, _ model: any Denoiser
  ) throws -> (any ControlNetwork)? {
    guard try index.className(of: Name.control) != nil else { return nil }
    _ = try index.requiredClass(of: Name.control, among: ["ControlNetModel"], for: "nothing controls it")
    let file = "\(path)/\(Name.control)/\(Name.configuration)"
    let kind = SettingsNode(ControlKind.controlNet.rawValue)
    let network = try network(json(file).setting("kind", to: kind), file) { try ControlKind.model($0) }
    do {
      try network.check(model)
    } catch {
      throw ModelFileError(path, "\(error)")
    }
    return network
  }

  /// The image size is given by `sample_size`: one number, or height and width.
  private static func shape(
    _ configuration: SettingsNode, _ model: any Denoiser, _ file: String
  ) throws -> [Int] {
    func number(_ node: SettingsNode) -> Int? {
      if case .scalar(let scalar) = node.content { Int(scalar.text) } else { nil }
    }
    var sides: [Int] = []
    if let node = configuration[Name.size] {
      if case .list(let nodes) = node.content {
        sides = nodes.compactMap(number)
      } else if let side = number(node) {
        sides = [side, side]
      }
    }
    guard sides.count == 2, sides.allSatisfy({ (1...65_536).contains($0) }) else {
      throw ModelFileError(file, "its \(Name.size) does not say how large the images are")
    }
    try model.check(height: sides[0], width: sides[1], channels: model.imageChannels)
    return sides + [model.imageChannels]
  }

  /// The pipeline's sampling settings.
  ///
  /// - Parameter sampler: the sampler whose class interprets the scheduler's settings; nil selects the class that they
  ///   name.
  /// - Throws: `SettingsError`, `FileError`.
  public func scheduler(for sampler: SamplerKind? = nil) throws -> SchedulerConfiguration {
    let file = "\(path)/\(Name.scheduler)/\(Name.schedulerConfiguration)"
    return try SchedulerConfiguration(json: Self.content(file), source: file, sampler: sampler)
  }

  /// A configuration for training the network further, otherwise with defaults.
  ///
  /// - Throws: `ModelFileError` if a configuration cannot express the scheduler's noise schedule.
  public func trainingConfiguration() throws -> SettingsNode {
    guard let configuration = try namedConfiguration() else {
      throw ModelFileError(
        path,
        "its noise schedule is a list of betas, which has no name: say with --config what to train it with")
    }
    return configuration
  }

  /// The same; nil for a noise schedule without a name.
  ///
  /// - Throws: `SettingsError`, `FileError`.
  func namedConfiguration() throws -> SettingsNode? {
    try diffusion().map {
      ["dataset": ["path": ""], "model": section, "diffusion": $0.setting("loss", to: "l2")]
    }
  }

  /// The section `diffusion` of a configuration with the scheduler's process; nil for a noise schedule without a name.
  ///
  /// - Throws: `SettingsError`, `FileError`.
  private func diffusion() throws -> SettingsNode? {
    // A class that is not supported concerns sampling: all of them say in the same way what the network was trained for.
    let scheduler = try (try? scheduler()) ?? scheduler(for: .ddpm)
    let schedule = scheduler.schedule
    guard let formula = schedule.formula else { return nil }
    let section: SettingsNode = [
      "timesteps": SettingsNode(schedule.timesteps), "schedule": SettingsNode(formula.kind.rawValue),
      "prediction": SettingsNode(scheduler.prediction.rawValue),
      "variance": SettingsNode(scheduler.variance.rawValue),
      "zero_terminal_snr": SettingsNode(schedule.isRescaledToZeroSNR),
    ]
    guard let start = formula.betaStart, let end = formula.betaEnd else { return section }
    return section.setting("beta_start", to: SettingsNode(start)).setting("beta_end", to: SettingsNode(end))
  }

  /// The sampling plan from `options`, with defaults from the folder's `scheduler`.
  ///
  /// - Throws: `ModelFileError`, `SettingsError`, `SamplingError`.
  public func samplingPlan(
    _ options: SamplingOptions, _ scheduler: SchedulerConfiguration
  ) throws -> SamplingPlan {
    let process = DDPMProcess(
      schedule: scheduler.schedule, prediction: scheduler.prediction, variance: scheduler.variance, loss: .l2)
    guard model.predictionChannels == model.imageChannels * process.outputsPerChannel else {
      throw ModelFileError(
        path,
        "its network predicts \(model.predictionChannels) channels of images of \(model.imageChannels), and its "
          + "scheduler wants \(model.imageChannels * process.outputsPerChannel)")
    }
    return try SamplingPlan(process: process, options: options, scheduler: scheduler)
  }
}

extension DenoiserKind {
  /// The published class that the `config.json` names; nil for a network that diffusers lacks.
  var className: String? {
    switch self {
    case .unet2D: "UNet2DModel"
    case .unetCondition: "UNet2DConditionModel"
    default: nil
    }
  }

  init?(className: String) {
    guard let kind = Self.allCases.first(where: { $0.className == className }) else { return nil }
    self = kind
  }
}
