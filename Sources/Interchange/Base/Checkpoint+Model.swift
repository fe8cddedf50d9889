import Checkpoints
import Configuration
import Layers
import Tensors

extension Checkpoint {
  /// The weights of the model that the run trains: for an adapter, the base's weights with the adapter merged; for a
  /// word, the base's weights; for an autoencoder, without the discriminator.
  ///
  /// - Parameter configuration: the checkpoint's.
  /// - Throws: as `weights(_:layout:)`, and errors of reading the base.
  public func modelWeights(
    _ member: StateMember, _ configuration: TrainingConfiguration
  ) throws -> ParameterBuffer {
    if configuration.inversion != nil { return try baseWeights(configuration) }
    guard let section = configuration.adapter else {
      return try weights(member, layout: configuration.model.parameters)
    }
    let own = try weights(member, layout: section.joint.parameters)
    let model = try baseWeights(configuration)
    try section.adapter.merge(own, into: model, of: configuration.model.parameters)
    return model
  }

  /// The weights of the frozen model of the checkpoint's run.
  ///
  /// - Throws: `ModelFileError` if the base has changed since.
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
