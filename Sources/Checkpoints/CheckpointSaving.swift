import Configuration
import DataParallel
import Files
import Foundation
import HDF5
import Kernels
import Layers
import Logging
import MPI

/// Saves checkpoints while training goes on, each rank its files: training waits for the copy that is written, no more.
///
/// Nothing but files is touched on the threads in the background. The ranks tell each other how far they are in what
/// they exchange at every step anyway: when all have written their files, rank 0 writes the manifest that makes them a
/// checkpoint; when one could not, all give up. libhdf5 is held for the layout of files only, and nobody waits for it:
/// neither images nor the values in checkpoints go through it.
package final class CheckpointSaving {
  /// How far this rank is with what it has to write.
  package enum Progress: Int {
    case idle, busy, done, failed
  }

  /// A checkpoint that is being written.
  private struct Pending {
    let step: Int
    let provenance: Checkpoint.Provenance
    /// Whether the run must not end without it.
    let isLast: Bool
    let partial: String
    var stage: Stage
  }

  private enum Stage {
    /// Each rank writes its files; nil where it has none.
    case files(BackgroundJob<[CheckpointManifest.File]>?)
    /// Rank 0 completes the checkpoint; nil elsewhere.
    case completion(BackgroundJob<Void>?)
  }

  private let store: CheckpointStore
  private let collector: ShardCollector
  private let communicator: Communicator
  /// Its lines must last before a checkpoint counts: they are not written again after it.
  private let metricsPath: String
  private let onFailure: CheckpointSettings.FailureResponse
  private let log: Logger
  /// Tells this run's partial files from those of one before, the same on all ranks.
  private let writer: String
  /// Its memory is taken while the first steps run: new memory costs more than what is put in it.
  private let snapshot: BackgroundJob<CheckpointSnapshot>
  /// The same on all ranks but for the jobs.
  private var pending: Pending?

  /// Where threads share cores with it, a writer takes more of training's time than it needs itself: all wait for the
  /// one that it stands in the way of. So it takes what time is left over, for so many seconds.
  private static let patience = 20.0

  /// Collective.
  ///
  /// - Throws: `MPIError`.
  package init(
    _ settings: CheckpointSettings, in directory: RunDirectory, layout: ParameterLayout, buckets: BucketPlan,
    communicator: Communicator, threads: ThreadPool, log: Logger
  ) throws {
    store = CheckpointStore(
      directory: directory.checkpoints, keep: settings.keep, keepEvery: settings.keepEvery)
    collector = ShardCollector(communicator: communicator, plan: buckets, threads: threads)
    self.communicator = communicator
    let (worldSize, rank) = (communicator.size, communicator.rank)
    snapshot = BackgroundJob("checkpoint", patience: Self.patience) { _ in
      CheckpointSnapshot(
        CheckpointPlan(layout, partBytes: settings.partBytes), worldSize: worldSize, rank: rank)
    }
    metricsPath = directory.metrics
    onFailure = settings.onFailure
    self.log = log
    writer = try communicator.broadcast(String(UInt32.random(in: 0...UInt32.max), radix: 16))
  }

  /// Takes a copy of the state and begins to write it, after waiting for the checkpoint before. Collective.
  ///
  /// - Parameters:
  ///   - obstacle: why this rank must not save, if it knows already.
  ///   - isLast: whether the run must not end without this one.
  /// - Throws: as `advance`.
  package func start(
    _ state: ShardedState, _ provenance: Checkpoint.Provenance, obstacle: FileError?, isLast: Bool
  ) throws {
    try finish()
    let snapshot = try snapshot.wait().get()
    try snapshot.take(state, by: collector)
    let partial = store.partialPath(state.step, writer: writer)
    var job: BackgroundJob<[CheckpointManifest.File]>?
    if !snapshot.isEmpty || obstacle != nil {
      job = BackgroundJob("checkpoint", patience: isLast ? 0 : Self.patience) { checkCancellation in
        if let obstacle { throw obstacle }
        return try snapshot.write(to: partial, checkCancellation: checkCancellation)
      }
    }
    pending = Pending(
      step: state.step, provenance: provenance, isLast: isLast, partial: partial, stage: .files(job))
  }

  /// How far this rank is. To be shared with all.
  package var progress: Progress {
    switch pending?.stage {
    case nil: .idle
    case .files(let job): Self.progress(job)
    case .completion(let job): Self.progress(job)
    }
  }

  private static func progress<Value>(_ job: BackgroundJob<Value>?) -> Progress {
    guard let job else { return .done }
    return switch job.outcome {
    case nil: .busy
    case .success: .done
    case .failure: .failed
    }
  }

  /// Does what the ranks' progress calls for. Collective.
  ///
  /// - Parameter progress: of all ranks.
  /// - Throws: `CollectiveFailure` when a checkpoint could not be written and the run is not to go on without it;
  ///   `MPIError`.
  package func advance(_ progress: [Progress]) throws {
    guard let pending else { return }
    if progress.contains(.failed) { return try giveUp(pending) }
    guard progress.allSatisfy({ $0 == .done }) else { return }
    switch pending.stage {
    case .files(let job): try complete(pending, try job?.wait().get() ?? [])
    case .completion:
      self.pending = nil
      if communicator.rank == 0 {
        log.info(
          "checkpoint saved", metadata: ["step": "\(pending.step)", "path": "\(store.path(pending.step))"])
      }
    }
  }

  /// Waits until nothing is being written any more. Collective.
  ///
  /// - Throws: as `advance`.
  package func finish() throws {
    while let pending {
      switch pending.stage {
      case .files(let job): _ = job?.wait()
      case .completion(let job): _ = job?.wait()
      }
      try advance(try communicator.allGather(progress.rawValue).compactMap(Progress.init))
    }
  }

  /// Lets rank 0 make a checkpoint of the files that all ranks have written. Collective.
  private func complete(_ pending: Pending, _ own: [CheckpointManifest.File]) throws {
    // A file a line: name, size, digest.
    let lines = own.map { "\($0.name) \($0.bytes) \($0.sha256)\n" }.joined()
    let files = try communicator.allGather(lines).joined().split(separator: "\n")
      .compactMap { line -> CheckpointManifest.File? in
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 3, let bytes = Int(words[1]) else { return nil }
        return CheckpointManifest.File(name: words[0], bytes: bytes, sha256: words[2])
      }
    // Sorted, so that the manifest does not show who wrote what.
    let manifest = CheckpointManifest(
      step: pending.step, pending.provenance, files: files.sorted { $0.name < $1.name })
    var job: BackgroundJob<Void>?
    if communicator.rank == 0 {
      job = BackgroundJob("checkpoint") { [store, metricsPath, pending] checkCancellation in
        try WholeFile.synchronize(metricsPath)
        try manifest.write(to: pending.partial)
        try checkCancellation()
        try store.publish(pending.partial, step: pending.step)
      }
    }
    self.pending?.stage = .completion(job)
  }

  /// Removes what was written of a checkpoint that one rank could not write its part of. Collective.
  private func giveUp(_ pending: Pending) throws {
    self.pending = nil
    let own: (any Error)? =
      switch pending.stage {
      case .files(let job): Self.failure(job)
      case .completion(let job): Self.failure(job)
      }
    let error = own.map { savingError($0, step: pending.step) }
    // Nobody writes any more when all messages are here.
    let messages = try communicator.allGather(error.map { "\($0)" } ?? "")
    if communicator.rank == 0 { try? FileManager.default.removeItem(atPath: pending.partial) }
    try communicator.agree {
      if let error, pending.isLast || onFailure == .stop { throw error }
    }
    if communicator.rank == 0, let rank = messages.firstIndex(where: { !$0.isEmpty }) {
      log.warning("checkpoint not saved", metadata: ["rank": "\(rank)", "reason": "\(messages[rank])"])
    }
  }

  /// Ends a job early, and says why it failed, if it did on its own.
  private static func failure<Value>(_ job: BackgroundJob<Value>?) -> (any Error)? {
    job?.cancel()
    guard case .failure(let error)? = job?.wait(), !(error is CancellationError) else { return nil }
    return error
  }

  private func savingError(_ error: any Error, step: Int) -> any Error {
    guard let error = error as? FileError else { return error }
    return CheckpointSavingError(path: store.path(step), reason: error.reason)
  }
}
