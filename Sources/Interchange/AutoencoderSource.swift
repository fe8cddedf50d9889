import Checkpoints
import Configuration
import Files
import Foundation
import Models
import Safetensors
import Settings
import Tensors

/// Reads an autoencoder from a path.
struct AutoencoderSource {
  /// The section `model` of a configuration that describes it.
  let section: SettingsNode
  let model: AutoencoderKL
  let weights: ParameterBuffer

  init(_ path: String, onDamage: (CheckpointError) -> Void) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw ModelFileError(path, "there is no such autoencoder\(path.lookedForNote)")
    }
    if !isFolder.boolValue {
      try self.init(file: path)
    } else if PipelineFolder.isOne(path) {
      try self.init(folder: "\(path)/vae")
    } else if FileManager.default.fileExists(atPath: "\(path)/\(PipelineFolder.Name.configuration)") {
      try self.init(folder: path)
    } else {
      self = try Checkpoint.read(at: path, onDamage: onDamage) { try AutoencoderSource($0) }
    }
  }

  private init(_ checkpoint: Checkpoint) throws {
    let configuration = try TrainingConfiguration(checkpoint.manifest.configuration)
    guard case .autoencoder(let trained) = configuration.task else {
      throw ModelFileError(checkpoint.directory, "trains a denoiser, and an autoencoder is wanted")
    }
    section = checkpoint.manifest.configuration["model"] ?? .empty
    model = trained.model
    weights = try checkpoint.weights(
      .weights(named: StateSchema.ema), layout: trained.model.parameters)
  }

  private init(folder: String) throws {
    let file = "\(folder)/\(PipelineFolder.Name.configuration)"
    try self.init(
      weights: PipelineFolder.autoencoderFiles(folder),
      section: PipelineFolder.json(file).setting("kind", to: SettingsNode(AutoencoderKind.kl.rawValue)))
  }

  private init(file path: String) throws {
    let file = try SafetensorsFile(path: path)
    try self.init(weights: file, section: file.modelSection())
  }

  private init(weights file: some TensorSource, section: SettingsNode) throws {
    self.section = section
    model = try Self.model(section)
    weights = try StateDict.weights(of: model.parameters, in: file)
  }

  static func model(_ section: SettingsNode) throws -> AutoencoderKL {
    let reader = try SettingsReader(section, path: "model")
    let model = try AutoencoderKind.model(reader)
    try reader.finish()
    return model
  }

  /// Settings that do not affect the encoder and the decoder.
  private static let passive = ["kind", "sample_size", "force_upcast", "scaling_factor", "shift_factor"]

  func digest() throws -> String {
    let reader = try SettingsReader(section)
    _ = try AutoencoderKind.model(reader)
    let settings = (reader.resolved.entries ?? []).filter {
      !$0.key.hasPrefix("_") && !Self.passive.contains($0.key)
    }
    let stream = SHA256.Stream()
    for entry in settings { stream.append(line: "\(entry.key): \(entry.node.json)") }
    stream.append(model.parameters, weights)
    return stream.finish()
  }
}
