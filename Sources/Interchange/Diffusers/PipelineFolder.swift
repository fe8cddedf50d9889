import Diffusion
import Files
import Foundation
import Models
import Safetensors
import Settings
import Tensors

/// A folder in the layout of diffusers' pipelines: `model_index.json` and a folder for each component, with a
/// `config.json` and safetensors of the component's weights.
public struct PipelineFolder {
  /// Names that the layout has.
  enum Name {
    static let index = "model_index.json"
    static let pipelineClass = "_class_name"
    static let unet = "unet"
    static let scheduler = "scheduler"
    static let configuration = "config.json"
    static let schedulerConfiguration = "scheduler_config.json"
    static let weights = "diffusion_pytorch_model.safetensors"
    static let library = "diffusers"
  }

  public let path: String
  /// The network that denoises.
  public let model: any Denoiser
  /// [H, W, C] of the images.
  public let imageShape: [Int]
  /// The section `model` of a configuration for it.
  let section: SettingsNode

  /// Whether `path` is such a folder.
  public static func isOne(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(path)/\(Name.index)")
  }

  /// Reads the configurations.
  ///
  /// - Throws: `ModelFileError` for pipelines and networks that are not computed here; `SettingsError`, `FileError`.
  public init(_ path: String) throws {
    self.path = path
    let index = try Self.json("\(path)/\(Name.index)")
    let file = "\(path)/\(Name.unet)/\(Name.configuration)"
    let className = try Self.className(of: Name.unet, in: index, "\(path)/\(Name.index)")
    guard let kind = DenoiserKind(className: className) else {
      let known = DenoiserKind.allCases.compactMap(\.className).joined(separator: ", ")
      throw ModelFileError(
        path, "its \(Name.unet) is a \(className), which is not computed here; known are \(known)")
    }
    let configuration = try Self.json(file)
    section = configuration.setting("kind", to: SettingsNode(kind.rawValue))
    let reader = try SettingsReader(section)
    model = try DenoiserKind.model(reader)
    try reader.finish()
    imageShape = try Self.imageShape(configuration, model, file)
  }

  /// The component's class, such as `UNet2DModel`.
  private static func className(of component: String, in index: SettingsNode, _ file: String) throws -> String
  {
    guard case .list(let names)? = index[component]?.content, names.count == 2,
      case .scalar(let name) = names[1].content
    else {
      throw ModelFileError(file, "it names no \(component), as in [\"\(Name.library)\", \"UNet2DModel\"]")
    }
    return name.text
  }

  private static func json(_ file: String) throws -> SettingsNode {
    try SettingsNode(yaml: String(decoding: WholeFile.read(file), as: UTF8.self), source: file)
  }

  /// Images are as large as `sample_size` says: a number, or height and width.
  private static func imageShape(
    _ configuration: SettingsNode, _ model: any Denoiser, _ file: String
  ) throws -> [Int] {
    func number(_ node: SettingsNode) -> Int? {
      if case .scalar(let scalar) = node.content { Int(scalar.text) } else { nil }
    }
    var sides: [Int] = []
    if let node = configuration["sample_size"] {
      if case .list(let nodes) = node.content {
        sides = nodes.compactMap(number)
      } else if let side = number(node) {
        sides = [side, side]
      }
    }
    guard sides.count == 2, sides.allSatisfy({ (1...65_536).contains($0) }) else {
      throw ModelFileError(file, "its sample_size does not say how large the images are")
    }
    try model.check(height: sides[0], width: sides[1], channels: model.imageChannels)
    return sides + [model.imageChannels]
  }

  /// The file of the network's weights.
  public var weightsFile: String { "\(path)/\(Name.unet)/\(Name.weights)" }

  /// The weights, and nothing else, from the safetensors file of the network.
  ///
  /// - Throws: `ModelFileError` naming tensors that are missing, not used or of another shape, or that hold what is no
  ///   finite number; `SafetensorsError`, `FileError`.
  public func weights() throws -> ParameterBuffer {
    let file = try SafetensorsFile(path: weightsFile)
    let layout = model.parameters
    try StateDict.require(StateDict.shapes(of: layout), in: file)
    let weights = try StateDict.read(layout, from: file)
    try StateDict.requireFinite(layout, weights, of: file)
    return weights
  }

  /// How the pipeline samples.
  ///
  /// - Parameter sampler: whose class reads the scheduler's settings; nil: the class that they name.
  /// - Throws: `SettingsError`, `FileError`.
  public func scheduler(for sampler: SamplerKind? = nil) throws -> SchedulerConfiguration {
    let file = "\(path)/\(Name.scheduler)/\(Name.schedulerConfiguration)"
    return try SchedulerConfiguration(
      json: String(decoding: WholeFile.read(file), as: UTF8.self), source: file, sampler: sampler)
  }

  /// A configuration to train the network further with, of which the rest has its defaults.
  ///
  /// - Throws: `ModelFileError` where the scheduler's noise schedule is none that a configuration can name.
  public func trainingConfiguration() throws -> SettingsNode {
    let scheduler = try scheduler()
    let schedule = scheduler.schedule
    guard let formula = schedule.formula else {
      throw ModelFileError(
        path,
        "its noise schedule is a list of betas, which has no name: say with --config what to train it with")
    }
    var diffusion: SettingsNode = [
      "timesteps": SettingsNode(schedule.timesteps), "schedule": SettingsNode(formula.kind.rawValue),
      "prediction": SettingsNode(scheduler.prediction.rawValue),
      "variance": SettingsNode(scheduler.variance.rawValue),
      "loss": "l2", "zero_terminal_snr": SettingsNode(schedule.isRescaledToZeroSNR),
    ]
    if let start = formula.betaStart, let end = formula.betaEnd {
      diffusion = diffusion.setting("beta_start", to: SettingsNode(start))
        .setting("beta_end", to: SettingsNode(end))
    }
    return ["dataset": ["path": ""], "model": section, "diffusion": diffusion]
  }

  /// How images are drawn: by `options`, and where these say nothing, as `scheduler` does, the folder's.
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
  /// The published class whose `config.json` describes it.
  var className: String? {
    switch self {
    case .unet2D: "UNet2DModel"
    case .unetCondition: "UNet2DConditionModel"
    case .annotatedUNet, .resNetUNet, .conditionalUNet, .dit, .attentionUNet: nil
    }
  }

  init?(className: String) {
    guard let kind = Self.allCases.first(where: { $0.className == className }) else { return nil }
    self = kind
  }
}
