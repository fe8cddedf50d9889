import Checkpoints
import Configuration
import Files
import Foundation
import MPI
import Models
import Safetensors
import Settings
import Tensors

/// A control network with frozen weights, on every rank: trained here, or a diffusers model.
public struct FrozenControl: Sendable {
  /// The path as given by the user.
  public let path: String
  public let network: any ControlNetwork
  public let weights: ParameterBuffer

  /// Reads the network on rank 0, and sends it to the others. Collective.
  ///
  /// - Parameters:
  ///   - path: a run (its newest intact checkpoint) or a checkpoint, with averaged weights; a safetensors file made by
  ///     `oboro convert`; a diffusers folder of a `ControlNetModel`.
  ///   - onDamage: called with damaged checkpoints, which are skipped.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  public static func load(
    _ path: String, on communicator: Communicator, onDamage: (CheckpointError) -> Void = { _ in }
  ) throws -> FrozenControl {
    let own = try communicator.agree {
      communicator.rank == 0 ? try Source(path, onDamage: onDamage) : nil
    }
    let section = try communicator.broadcast(own?.section.json ?? "")
    let control = try communicator.agree {
      if let own { return FrozenControl(path: path, network: own.network, weights: own.weights) }
      let network = try Source.network(SettingsNode(yaml: section, source: path))
      return FrozenControl(
        path: path, network: network, weights: ParameterBuffer(count: network.parameters.flatCount))
    }
    try communicator.broadcast(control.weights.elements)
    return control
  }

  /// Reads a control network from a path.
  private struct Source {
    /// The section `model` of a configuration that describes it.
    let section: SettingsNode
    let network: any ControlNetwork
    let weights: ParameterBuffer

    init(_ path: String, onDamage: (CheckpointError) -> Void) throws {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw ModelFileError(path, "there is no such control network\(path.lookedForNote)")
      }
      if !isFolder.boolValue {
        try self.init(file: path)
      } else if ControlFolder.isOne(path) {
        try self.init(ControlFolder(path))
      } else {
        self = try Checkpoint.read(at: path, onDamage: onDamage) { try Source($0) }
      }
    }

    private init(_ folder: ControlFolder) throws {
      section = folder.section
      network = folder.network
      weights = try folder.weights()
    }

    private init(_ checkpoint: Checkpoint) throws {
      let configuration = try TrainingConfiguration(checkpoint.manifest.configuration)
      guard case .control(let trained) = configuration.task else {
        throw ModelFileError(checkpoint.directory, "trains no control network, and one is wanted")
      }
      section = checkpoint.manifest.configuration["model"] ?? .empty
      network = trained.network
      weights = try checkpoint.weights(
        .weights(named: StateSchema.ema), layout: trained.network.parameters)
    }

    private init(file path: String) throws {
      let file = try SafetensorsFile(path: path)
      section = try file.modelSection()
      network = try Self.network(section)
      weights = try StateDict.weights(of: network.parameters, in: file)
    }

    static func network(_ section: SettingsNode) throws -> any ControlNetwork {
      let reader = try SettingsReader(section, path: "model")
      let network = try ControlKind.model(reader)
      try reader.finish()
      return network
    }
  }
}
