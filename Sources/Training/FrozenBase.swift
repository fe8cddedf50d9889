import Checkpoints
import Configuration
import DataParallel
import Interchange
import Logging
import MPI
import Settings
import Tasks
import Tensors

/// The weights of a configuration's base, once a host, and what tells them from others.
struct FrozenBase {
  let weights: ParameterBuffer
  let digest: String
  private let path: String

  /// Collective.
  ///
  /// - Throws: `CollectiveFailure` with what was wrong with the base on the lowest rank that found it; `MPIError`.
  init(_ configuration: TrainingConfiguration, _ communicator: Communicator, _ log: Logger) throws {
    guard let path = configuration.base else { preconditionFailure("a configuration without base") }
    self.path = path
    let layout = configuration.model.parameters
    let section = configuration.resolved["model"] ?? .empty
    let frozen = try FrozenWeights(count: layout.flatCount, on: communicator) { memory in
      try BaseModel(path) { log.warning("checkpoint passed over", metadata: ["reason": "\($0)"]) }
        .read(layout, into: memory)
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
    if communicator.rank == 0 {
      log.info("base", metadata: ["path": "\(path)", "parameters": "\(layout.valueCount)", "sha256": "\(digest)"])
    }
  }

  /// Throws unless what a checkpoint holds was trained with these weights.
  func requireSame(as checkpoint: Checkpoint) throws {
    guard let before = checkpoint.manifest.baseDigest, before != digest else { return }
    throw ReplicaError(
      "\(checkpoint.directory) was trained with another base than \(path), whose SHA-256 is \(digest): give the old one, "
        + "\(before)")
  }
}

extension TrainingConfiguration {
  /// The task that trains what is to be trained: the network of `task`, or an adapter of it.
  ///
  /// - Parameter weights: of the frozen network, if there is one.
  package func adapting(_ task: any TrainingTask, weights: ParameterBuffer?) -> any TrainingTask {
    guard let adapter, let weights else { return task }
    return AdapterTask(
      adapter.adapter, of: task, weights: weights, dropout: adapter.settings.dropout, seed: training.seed)
  }
}
