import Checkpoints
import Configuration
import Layers
import Tensors

extension Checkpoint {
  /// The weights of the model that its run trains: for an adapter's run, the base's weights changed by the adapter; for a
  /// run that trains a word, the base's; for an autoencoder's, without those of the discriminator.
  ///
  /// - Parameter configuration: the checkpoint's.
  /// - Throws: as `weights(_:layout:)`, and what reading the base throws.
  public func modelWeights(
    _ member: StateMember, _ configuration: TrainingConfiguration
  ) throws -> ParameterBuffer {
    if configuration.inversion != nil { return try baseWeights(configuration) }
    guard let section = configuration.adapter else {
      return try weights(member, layout: configuration.model.parameters)
    }
    let own = try weights(member, layout: section.adapter.parameters)
    let model = try baseWeights(configuration)
    try section.adapter.merge(own, into: model, of: configuration.model.parameters)
    return model
  }

  /// The weights of the frozen model that the checkpoint's run was trained beside.
  ///
  /// - Throws: `ModelFileError` if the base holds others by now.
  public func baseWeights(_ configuration: TrainingConfiguration) throws -> ParameterBuffer {
    guard let path = configuration.base, let layout = configuration.frozenParameters else {
      preconditionFailure("\(directory) has no base")
    }
    let weights = ParameterBuffer(count: layout.flatCount)
    try BaseModel(path).read(layout, into: weights)
    let digest = try ModelDigest.of(configuration.baseSection, layout, weights)
    guard manifest.baseDigest == nil || digest == manifest.baseDigest else {
      throw ModelFileError(
        path,
        "holds another model than that which \(directory) was trained with: its digest is \(digest), "
          + "expected \(manifest.baseDigest ?? "")")
    }
    return weights
  }
}
