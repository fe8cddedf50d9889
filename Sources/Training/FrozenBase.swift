import Checkpoints
import Configuration
import DataParallel
import Interchange
import Logging
import MPI
import Settings
import Tasks
import Tensors

/// The frozen weights of a configuration's base model, one copy per host, and the digest that identifies them.
struct FrozenBase {
  let weights: ParameterBuffer
  let digest: String
  let path: String
  private let parameters: Int

  /// Collective.
  ///
  /// - Throws: `CollectiveFailure` with the problem found by the lowest rank that could not read the base; `MPIError`.
  init(_ configuration: TrainingConfiguration, on communicator: Communicator) throws {
    guard let path = configuration.base else { preconditionFailure("a configuration without base") }
    self.path = path
    let layout = configuration.frozenParameters ?? configuration.model.parameters
    parameters = layout.valueCount
    let section = configuration.baseSection
    let frozen = try FrozenWeights(count: layout.flatCount, on: communicator) {
      try BaseModel(path).read(layout, into: $0)
    }
    weights = frozen.memory
    let own = try communicator.agree {
      frozen.isOwn ? try ModelDigest.of(section, layout, frozen.memory) : ""
    }
    let digests = try communicator.allGather(own)
    digest = digests[0]
    try communicator.agree {
      guard own.isEmpty || own == digests[0] else {
        throw ReplicaError("rank \(communicator.rank) has another model in \(path) than rank 0")
      }
    }
  }

  func tell(_ log: Logger, rank: Int) {
    guard rank == 0 else { return }
    log.info(
      "frozen base", metadata: ["path": "\(path)", "parameters": "\(parameters)", "sha256": "\(digest)"])
  }

  /// Throws unless the checkpoint was trained with these weights.
  func requireSame(as checkpoint: Checkpoint) throws {
    guard let before = checkpoint.manifest.baseDigest, before != digest else { return }
    throw ReplicaError(
      "\(checkpoint.directory) was trained with another base than \(path), whose SHA-256 is \(digest): give the old one, "
        + "\(before)")
  }
}

extension TrainingConfiguration {
  /// The task that is trained: `task` itself, or an adapter of its network if the configuration has one.
  ///
  /// - Parameters:
  ///   - weights: the frozen network's weights, if there is one.
  ///   - encoder: the frozen text encoder, if there is one.
  package func adapting(
    _ task: any TrainingTask, weights: ParameterBuffer?, encoder: BoundParameters? = nil
  ) -> any TrainingTask {
    guard let adapter, let weights else { return task }
    return AdapterTask(
      adapter.joint, of: task, weights: weights, encoder: adapter.text == nil ? nil : encoder,
      dropout: adapter.settings.dropout, seed: training.seed)
  }
}
