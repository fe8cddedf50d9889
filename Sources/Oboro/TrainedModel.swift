import Checkpoints
import Configuration
import Generation
import Interchange
import MPI
import Models
import Tensors

/// A checkpoint's description and its weights, on every rank.
struct TrainedModel {
  /// The checkpoint, or the run that it is the newest of.
  let path: String
  let manifest: CheckpointManifest
  let configuration: TrainingConfiguration
  let weights: ParameterBuffer
  /// Of the denoiser that the model controls; nil for a model that is no control network.
  let denoiserWeights: ParameterBuffer?
  /// The word that its run has trained, on rank 0.
  let words: [LearnedWord]

  /// Rank 0 reads the checkpoint, and gives it to the others: while a run goes on, the newest one may be another a moment
  /// later. Collective.
  ///
  /// - Parameters:
  ///   - path: a checkpoint, or a run directory, whose newest good checkpoint is taken.
  ///   - weights: the name of the weights, or of an average of them.
  ///   - overrides: what takes the place of values of the configuration that the checkpoint was trained with:
  ///     `KEY=VALUE`, of keys on which no weight depends.
  ///   - onDamage: told of checkpoints that are passed over.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  static func load(
    _ path: String, weights: String, overrides: [String] = [], on communicator: Communicator,
    onDamage: (CheckpointError) -> Void
  ) throws -> TrainedModel {
    func configuration(of manifest: CheckpointManifest) throws -> TrainingConfiguration {
      try TrainingConfiguration(manifest.configuration.applying(overrides: overrides))
    }
    let own: TrainedModel? = try communicator.agree {
      guard communicator.rank == 0 else { return nil }
      return try Checkpoint.read(at: path, onDamage: onDamage) { checkpoint in
        let configuration = try configuration(of: checkpoint.manifest)
        return TrainedModel(
          path: path, manifest: checkpoint.manifest, configuration: configuration,
          weights: try checkpoint.modelWeights(.weights(named: weights), configuration),
          denoiserWeights: configuration.model.frozenParameters == nil
            ? nil : try checkpoint.baseWeights(configuration),
          words: configuration.inversion == nil
            ? [] : [LearnedWord(try LearnedWords.word(of: checkpoint, weights: .weights(named: weights)))])
      }
    }
    let text = try communicator.broadcast(own?.manifest.json ?? "")
    let model = try communicator.agree {
      if let own { return own }
      let manifest = try CheckpointManifest(of: Array(text.utf8), in: path)
      let configuration = try configuration(of: manifest)
      return TrainedModel(
        path: path, manifest: manifest, configuration: configuration,
        weights: ParameterBuffer(count: configuration.model.parameters.flatCount),
        denoiserWeights: configuration.model.frozenParameters.map { ParameterBuffer(count: $0.flatCount) },
        words: [])
    }
    try communicator.broadcast(model.weights.elements)
    if let weights = model.denoiserWeights { try communicator.broadcast(weights.elements) }
    return model
  }

  /// What turns the latents that the model draws into images; nil if it draws images. Collective.
  ///
  /// - Parameter path: where the autoencoder lies now; nil: where it was when the model was trained.
  /// - Throws: `CollectiveFailure` if it is another one than the model was trained with; `MPIError`.
  func decoder(
    _ path: String? = nil, engine: Engine, on communicator: Communicator
  ) throws -> LatentDecoder? {
    guard let latents = manifest.latents else {
      return try communicator.agree {
        guard path == nil else {
          throw ModelError("the model of \(self.path) draws images: leave --autoencoder away")
        }
        return nil
      }
    }
    let frozen = try FrozenAutoencoder.load(path ?? latents.autoencoder, on: communicator)
    return try communicator.agree {
      try latents.require(frozen.digest, of: frozen.path, for: self.path)
      return LatentDecoder(
        frozen.model, weights: frozen.weights,
        scaling: latents.scaling, engine: engine)
    }
  }
}

extension LearnedWord {
  init(_ word: (text: String, vectors: [[Float]])) { self.init(word.text, vectors: word.vectors) }
}

extension LatentSpace {
  var scaling: LatentScaling { LatentScaling(factor: Float(scalingFactor), shift: Float(shift)) }
}
