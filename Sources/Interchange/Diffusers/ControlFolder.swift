import Checkpoints
import Files
import Foundation
import Models
import Safetensors
import Settings
import Tensors

/// A folder for diffusers' `ControlNetModel.from_pretrained`: `config.json` and a safetensors file of the weights.
public struct ControlFolder {
  private static let className = "ControlNetModel"

  public let path: String
  /// The section `model` of a configuration that describes it.
  public let section: SettingsNode
  public let network: any ControlNetwork

  /// Whether `path` is such a folder.
  public static func isOne(_ path: String) -> Bool {
    let file = "\(path)/\(PipelineFolder.Name.configuration)"
    guard FileManager.default.fileExists(atPath: file), let node = try? PipelineFolder.json(file),
      case .scalar(let name)? = node[PipelineFolder.Name.pipelineClass]?.content
    else { return false }
    return name.text == className
  }

  /// Reads the configuration.
  ///
  /// - Throws: `SettingsError` for unsupported settings; `FileError`.
  public init(_ path: String) throws {
    self.path = path
    let file = "\(path)/\(PipelineFolder.Name.configuration)"
    section = try PipelineFolder.json(file).setting(
      "kind", to: SettingsNode(ControlKind.controlNet.rawValue))
    network = try PipelineFolder.network(section, file) { try ControlKind.model($0) }
  }

  func files() throws -> ComponentWeights {
    try ComponentWeights(folder: path, stem: PipelineFolder.Name.weights) { $0 }
  }

  /// - Throws: `ModelFileError` naming tensors that do not fit; `SafetensorsError`, `FileError`.
  public func weights() throws -> ParameterBuffer {
    try StateDict.weights(of: network.parameters, in: files())
  }

  /// Sets the section `model` of a configuration to the folder's.
  ///
  /// - Throws: `ModelFileError` if the configuration contradicts the folder.
  func configuration(_ own: SettingsNode) throws -> SettingsNode {
    for entry in own["model"]?.entries ?? [] {
      guard let theirs = section[entry.key] else { continue }
      guard theirs.json == entry.node.json else {
        throw ModelFileError(
          path, "says \(entry.key): \(theirs.json), and the configuration's section model \(entry.node.json)")
      }
    }
    let missing = (own["model"]?.entries ?? []).filter { section[$0.key] == nil }
    return own.setting("model", to: missing.reduce(section) { $0.setting($1.key, to: $1.node) })
  }

  /// Writes the weights of a control network's checkpoint.
  ///
  /// - Parameter directory: must not exist yet; it appears when it is complete.
  /// - Throws: `FileError`, `CheckpointError`.
  static func export(
    _ checkpoint: Checkpoint, _ network: any ControlNetwork, weights which: StateMember, to directory: String
  ) throws {
    let manifest = checkpoint.manifest
    let configuration = try (manifest.configuration["model"] ?? .empty)
      .published(as: className, of: checkpoint.directory)
    try PipelineFolder.whole(directory) { temporary in
      try PipelineFolder.write(configuration, to: "\(temporary)/\(PipelineFolder.Name.configuration)")
      var file = SafetensorsWriter(metadata: ["format": "pt"])
      StateDict.add(
        network.parameters, from: try checkpoint.weights(which, layout: network.parameters),
        batches: manifest.step, to: &file)
      try file.write(to: "\(temporary)/\(PipelineFolder.Name.weights).safetensors")
    }
  }
}
