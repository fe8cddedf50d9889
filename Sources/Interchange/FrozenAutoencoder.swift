import Checkpoints
import Configuration
import Files
import Foundation
import MPI
import Models
import Safetensors
import Settings
import Tensors

/// An autoencoder with frozen weights, on every rank: trained here, or a diffusers model.
public struct FrozenAutoencoder: Sendable {
  /// The path as given by the user.
  public let path: String
  public let model: AutoencoderKL
  public let weights: ParameterBuffer
  /// A digest of settings and weights, independent of their path.
  public let digest: String

  /// Reads the autoencoder on rank 0, and sends it to the others. Collective.
  ///
  /// - Parameters:
  ///   - path: a run (its newest intact checkpoint) or a checkpoint, with averaged weights; a safetensors file made by
  ///     `oboro convert`; a diffusers folder of an `AutoencoderKL`, or of a pipeline that contains one as `vae`.
  ///   - onDamage: called with damaged checkpoints, which are skipped.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  public static func load(
    _ path: String, on communicator: Communicator, onDamage: (CheckpointError) -> Void = { _ in }
  ) throws -> FrozenAutoencoder {
    let (read, ownDigest): (AutoencoderSource?, String) = try communicator.agree {
      guard communicator.rank == 0 else { return (nil, "") }
      let read = try AutoencoderSource(path, onDamage: onDamage)
      return (read, try read.digest())
    }
    let section = try communicator.broadcast(read?.section.json ?? "")
    let digest = try communicator.broadcast(ownDigest)
    let frozen = try communicator.agree {
      if let read {
        return FrozenAutoencoder(path: path, model: read.model, weights: read.weights, digest: digest)
      }
      let model = try AutoencoderSource.model(SettingsNode(yaml: section, source: path))
      return FrozenAutoencoder(
        path: path, model: model, weights: ParameterBuffer(count: model.parameters.flatCount), digest: digest)
    }
    try communicator.broadcast(frozen.weights.elements)
    return frozen
  }
}
