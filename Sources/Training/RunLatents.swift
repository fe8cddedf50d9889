import Checkpoints
import Configuration
import Datasets
import Generation
import Interchange
import MPI
import Models
import Tensors

/// The latents that a run's denoiser is trained on, and their autoencoder, with which previews are decoded.
struct RunLatents {
  let frozen: FrozenAutoencoder
  let scaling: LatentScaling
  /// [H, W, C].
  let shape: [Int]
  /// The fields that the loader reads.
  let fields: [FieldRequest]

  /// Loads the autoencoder; nil for a run without one. Collective.
  ///
  /// - Throws: `CollectiveFailure` if the dataset does not hold latents of that autoencoder; `MPIError`.
  static func load(
    _ configuration: TrainingConfiguration, _ dataset: ShardedDataset, on communicator: Communicator
  ) throws -> RunLatents? {
    guard let latents = configuration.task.diffusion?.latents else { return nil }
    let frozen = try FrozenAutoencoder.load(latents.path, on: communicator)
    return try communicator.agree {
      try RunLatents(
        frozen, dataset, scalingFactor: latents.scalingFactor,
        isFlipped: configuration.dataset.flipsHorizontally)
    }
  }

  private init(
    _ frozen: FrozenAutoencoder, _ dataset: ShardedDataset, scalingFactor: Double?, isFlipped: Bool
  ) throws {
    let (means, deviations, encoding) = try Self.fields(of: dataset, from: frozen)
    guard !isFlipped || means.flippedBy != nil && deviations.flippedBy != nil else {
      throw LatentDatasetError(
        path: dataset.directory,
        problem:
          "holds no latents of mirrored images: encode with --flips, or set dataset.horizontal_flip to false")
    }
    self.frozen = frozen
    scaling =
      scalingFactor.map { LatentScaling(factor: Float($0), shift: frozen.model.latentShift) }
      ?? LatentScaling(factor: Float(encoding.scalingFactor))
    shape = means.shape
    fields = ([means, deviations] + [dataset.manifest.field(.label)].compactMap { $0 }).map {
      FieldRequest($0.name)
    }
  }

  /// The latent fields of a dataset, which must have been encoded by this autoencoder.
  ///
  /// - Throws: `LatentDatasetError`.
  static func fields(of dataset: ShardedDataset, from frozen: FrozenAutoencoder) throws
    -> (means: Field, deviations: Field, encoding: DatasetManifest.Encoding)
  {
    let manifest = dataset.manifest
    guard let means = manifest.field(.latentMean), let deviations = manifest.field(.latentDeviation),
      let encoding = manifest.encoding
    else {
      throw LatentDatasetError(
        path: dataset.directory, problem: "holds no latents: make them of it with oboro encode")
    }
    guard encoding.autoencoderDigest == frozen.digest else {
      throw LatentDatasetError(
        path: dataset.directory,
        problem: "holds latents of another autoencoder (\(encoding.autoencoder), SHA-256 "
          + "\(encoding.autoencoderDigest.prefix(12))...) than \(frozen.path) (\(frozen.digest.prefix(12))...): name that "
          + "one as autoencoder.path, or encode again")
    }
    return (means, deviations, encoding)
  }

  /// Their description in a checkpoint.
  var space: LatentSpace {
    LatentSpace(
      autoencoder: frozen.path, digest: frozen.digest, scalingFactor: Double(scaling.factor),
      shift: Double(scaling.shift))
  }

  func decoder(_ engine: Engine) -> LatentDecoder {
    LatentDecoder(frozen.model, weights: frozen.weights, scaling: scaling, engine: engine)
  }

  /// Throws unless a checkpoint was trained on these latents.
  func requireSame(as checkpoint: Checkpoint) throws {
    guard let before = checkpoint.manifest.latents else { return }
    try before.require(frozen.digest, of: frozen.path, for: checkpoint.directory)
    guard Float(before.scalingFactor) == scaling.factor, Float(before.shift) == scaling.shift else {
      throw CheckpointError.unsuitable(
        checkpoint.directory,
        "was trained on latents scaled by \(before.scalingFactor), now it is \(scaling.factor): set "
          + "autoencoder.scaling_factor to that of before")
    }
  }
}

/// A dataset on which a latent denoiser cannot be trained.
public struct LatentDatasetError: Error, CustomStringConvertible {
  public let path: String
  public let problem: String

  public var description: String { "\(path): \(problem)" }
}
