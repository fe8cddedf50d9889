import Checkpoints
import Configuration
import Files
import Foundation
import MPI
import Models
import Safetensors
import Settings
import Tensors

/// An autoencoder whose weights are read and never changed, on every rank: one that was trained here, or one of
/// diffusers.
public struct FrozenAutoencoder: Sendable {
  /// As it was named.
  public let path: String
  public let model: AutoencoderKL
  public let weights: ParameterBuffer
  /// A digest of settings and weights: the same wherever the same autoencoder lies.
  public let digest: String

  /// Rank 0 reads it, and gives it to the others. Collective.
  ///
  /// - Parameters:
  ///   - path: a run, whose newest good checkpoint is taken, or a checkpoint: its averaged weights; a safetensors file
  ///     that `oboro convert` has made; diffusers' folder of an `AutoencoderKL`, or of a pipeline with one as `vae`.
  ///   - onDamage: told of checkpoints that are passed over.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  public static func load(
    _ path: String, on communicator: Communicator, onDamage: (CheckpointError) -> Void = { _ in }
  ) throws -> FrozenAutoencoder {
    let (read, ownDigest): (Source?, String) = try communicator.agree {
      guard communicator.rank == 0 else { return (nil, "") }
      let read = try Source(path, onDamage: onDamage)
      return (read, try read.digest())
    }
    let section = try communicator.broadcast(read?.section.json ?? "")
    let digest = try communicator.broadcast(ownDigest)
    let frozen = try communicator.agree {
      if let read {
        return FrozenAutoencoder(path: path, model: read.model, weights: read.weights, digest: digest)
      }
      let model = try Source.model(SettingsNode(yaml: section, source: path))
      return FrozenAutoencoder(
        path: path, model: model, weights: ParameterBuffer(count: model.parameters.flatCount), digest: digest)
    }
    try communicator.broadcast(frozen.weights.elements)
    return frozen
  }

  /// What lies at a path.
  private struct Source {
    /// The section `model` of a configuration for it.
    let section: SettingsNode
    let model: AutoencoderKL
    let weights: ParameterBuffer

    init(_ path: String, onDamage: (CheckpointError) -> Void) throws {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw ModelFileError(path, "there is no such autoencoder")
      }
      if !isFolder.boolValue {
        try self.init(file: path)
      } else if PipelineFolder.isOne(path) {
        try self.init(folder: "\(path)/vae")
      } else if FileManager.default.fileExists(atPath: "\(path)/\(PipelineFolder.Name.configuration)") {
        try self.init(folder: path)
      } else {
        self = try Checkpoint.read(at: path, onDamage: onDamage) { try Source($0) }
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
      guard let text = file.metadata["model"] else {
        throw ModelFileError(
          path,
          "its metadata do not say which model its tensors are of: name diffusers' folder, or a checkpoint")
      }
      try self.init(weights: file, section: SettingsNode(yaml: text, source: "\(path), metadata model"))
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

    /// Settings that change nothing in what encoder and decoder compute.
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
}
