import Checkpoints
import Configuration
import Files
import Foundation
import Layers
import Models
import Safetensors
import Settings
import Tensors

/// A model from which training starts, or that an adapter changes: a run, a checkpoint, a safetensors file or a
/// diffusers folder.
public struct BaseModel {
  public let path: String
  /// The section `model` of a configuration that describes it; nil for a file without a description.
  public let section: SettingsNode?
  let source: Source

  enum Source {
    /// A run or checkpoint. A run may still be training while it is read; its newest intact checkpoint is used.
    case checkpoint(onDamage: (CheckpointError) -> Void)
    case folder(PipelineFolder)
    case file(SafetensorsFile)
  }

  /// Opens the model at `path` without reading weights.
  ///
  /// - Parameter onDamage: called with a run's damaged checkpoints, which are skipped.
  /// - Throws: `ModelFileError` if nothing, or something else, exists there; `CheckpointError`, `SafetensorsError`,
  ///   `SettingsError`, `FileError`.
  public init(_ path: String, onDamage: @escaping (CheckpointError) -> Void = { _ in }) throws {
    self.path = path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw ModelFileError(path, "there is no such base model\(path.lookedForNote)")
    }
    if !isFolder.boolValue {
      let file = try SafetensorsFile(path: path)
      source = .file(file)
      section = try file.metadata[Self.sectionKey].map {
        try SettingsNode(yaml: $0, source: "\(path), metadata \(Self.sectionKey)")
      }
    } else if PipelineFolder.isOne(path) {
      let folder = try PipelineFolder(path)
      source = .folder(folder)
      section = folder.section
    } else {
      source = .checkpoint(onDamage: onDamage)
      section = try Checkpoint.read(at: path, onDamage: onDamage) {
        $0.manifest.configuration[Self.sectionKey] ?? .empty
      }
    }
  }

  package static let sectionKey = "model"

  /// Reads the weights of a model with `layout`; the averaged weights for a run or checkpoint.
  ///
  /// - Throws: `ModelFileError`, `CheckpointError` naming tensors that are missing, unused, of another shape or
  ///   non-finite; `SafetensorsError`, `FileError`.
  public func read(_ layout: ParameterLayout, into weights: ParameterBuffer) throws {
    switch source {
    case .file(let file): try Self.read(layout, from: file, into: weights)
    case .folder(let folder): weights.copy(from: try folder.weights())
    case .checkpoint(let onDamage):
      try Checkpoint.read(at: path, onDamage: onDamage) { checkpoint in
        weights.copy(
          from: try checkpoint.modelWeights(
            .weights(named: StateSchema.ema), TrainingConfiguration(checkpoint.manifest.configuration)))
      }
    }
  }

  /// Writes the model, with adapters merged, as PyTorch's state dict.
  ///
  /// - Parameter tell: see `AdapterSource.tensors`.
  /// - Throws: as `read` and `AdapterSource.merge`; `ModelFileError` for a file that does not describe its model.
  public func write(
    merging adapters: [AdapterSource], to output: String, tell: (String) -> Void
  ) throws {
    guard let section else { throw ModelFileError(path, "does not say which model its tensors are of") }
    let layout = try TrainedNetwork.described(by: section).network.parameters
    let weights = ParameterBuffer(count: layout.flatCount)
    if case .checkpoint(let onDamage) = source {
      try Checkpoint.read(at: path, onDamage: onDamage) {
        try Conversion.requireAlone(TrainingConfiguration($0.manifest.configuration), path)
      }
    }
    try read(layout, into: weights)
    try AdapterSource.merge(adapters, into: weights, of: layout, tell: tell)
    try Conversion.write(weights, layout, section: section, configuration(), to: output)
  }

  private static func read(
    _ layout: ParameterLayout, from file: SafetensorsFile, into weights: ParameterBuffer
  ) throws {
    weights.copy(from: try StateDict.weights(of: layout, in: file))
  }

  /// Completes a configuration that names a base with what the base says of itself: its model in the section `model`,
  /// or `denoiser` if a control network is trained for it, its process in `diffusion`, and the scaling of its latents.
  ///
  /// - Throws: `ModelFileError` if the configuration describes another model, or another process for a model that stays
  ///   frozen, or if neither source describes the model; errors of `init`.
  public static func completing(
    _ configuration: SettingsNode, onDamage: @escaping (CheckpointError) -> Void = { _ in }
  ) throws -> SettingsNode {
    guard case .scalar(let path)? = configuration[TrainingConfiguration.baseKey]?.content, !path.text.isEmpty
    else { return configuration }
    let base = try BaseModel(path.text, onDamage: onDamage)
    return try base.completingProcess(of: base.completingModel(of: configuration))
  }

  private func completingModel(of configuration: SettingsNode) throws -> SettingsNode {
    let key = TaskSettings.trainsControl(configuration) ? TaskSettings.denoiserKey : Self.sectionKey
    guard let own = configuration.section(at: key) else { return configuration }
    guard !(own.entries ?? []).isEmpty else {
      guard let section else {
        throw ModelFileError(
          path, "does not say which model its tensors are of: describe it in the section \(key)")
      }
      return configuration.setting(key, to: section)
    }
    if let section {
      let differences = try ModelDigest.differences(own, section)
      guard differences.isEmpty else {
        throw ModelFileError(
          path,
          "is another model than that of the configuration: \(differences.joined(separator: "; "))")
      }
    }
    return configuration
  }
}
