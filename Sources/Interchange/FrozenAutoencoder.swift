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
