import Checkpoints
import Configuration
import Generation
import Interchange
import MPI
import Models
import Tensors

/// A checkpoint's manifest and weights, on every rank.
struct TrainedModel {
  /// The checkpoint, or the run whose newest checkpoint it is.
  let path: String
  let manifest: CheckpointManifest
  let configuration: TrainingConfiguration
  let weights: ParameterBuffer
  /// The weights of the controlled denoiser; nil unless the model is a control network.
  let denoiserWeights: ParameterBuffer?
  /// The words trained by the run, on rank 0.
  let words: [LearnedWord]
  /// All weights that the run trains, on rank 0; nil unless it changes its text encoder.
  let textWeights: ParameterBuffer?

  /// Reads the checkpoint on rank 0, and sends it to the others, since the newest checkpoint of an active run may
  /// change between reads. Collective.
  ///
  /// - Parameters:
  ///   - path: a checkpoint, or a run directory, whose newest intact checkpoint is used.
  ///   - weights: the name of the weights, or of an average of them.
  ///   - overrides: `KEY=VALUE`, replacing values of the checkpoint's configuration that do not affect weights.
  ///   - onDamage: called with damaged checkpoints, which are skipped.
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
            ? [] : [LearnedWord(try LearnedWords.word(of: checkpoint, weights: .weights(named: weights)))],
          textWeights: configuration.changedEncoder == nil
            ? nil
            : try checkpoint.weights(.weights(named: weights), layout: configuration.trainedParameters))
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
        words: [], textWeights: nil)
    }
    try communicator.broadcast(model.weights.elements)
    if let weights = model.denoiserWeights { try communicator.broadcast(weights.elements) }
    return model
  }

  /// Decodes the latents that the model draws; nil if it draws images. Collective.
  ///
  /// - Parameter path: the current path of the autoencoder; nil selects the path used in training.
  /// - Throws: `CollectiveFailure` if it is not the autoencoder used in training; `MPIError`.
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
