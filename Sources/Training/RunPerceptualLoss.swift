import Checkpoints
import Configuration
import Interchange
import MPI
import Tasks

/// The weights of an autoencoder's perceptual loss.
struct RunPerceptualLoss {
  let term: PerceptualTerm
  let digest: String
  private let path: String

  /// Reads the weights; nil for a run without a perceptual loss. Collective.
  ///
  /// - Throws: `CollectiveFailure`, `MPIError`.
  static func load(
    _ configuration: TrainingConfiguration, on communicator: Communicator
  ) throws -> RunPerceptualLoss? {
    guard case .autoencoder(let section) = configuration.task, let perceptual = section.perceptual else {
      return nil
    }
    let frozen = try FrozenLPIPS.load(perceptual.path, on: communicator)
    return RunPerceptualLoss(
      term: PerceptualTerm(frozen.model, weights: frozen.weights, factor: perceptual.weight),
      digest: frozen.digest, path: perceptual.path)
  }

  /// Throws unless a checkpoint was trained with these weights.
  func requireSame(as checkpoint: Checkpoint) throws {
    guard let before = checkpoint.manifest.perceptualDigest, before != digest else { return }
    throw CheckpointError.unsuitable(
      checkpoint.directory,
      "was trained with other weights of LPIPS (SHA-256 \(before.prefix(12))...) than those of \(path) "
        + "(\(digest.prefix(12))...): name those in autoencoder.perceptual_path")
  }
}
