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
/// Nothing but files is touched on the threads in the background, and nothing is needed of the training threads to make
/// a checkpoint complete: each rank's thread tells that of rank 0 when its files are written, and that one writes the
/// manifest that makes them a checkpoint. So a step of minutes, or a grid of samples, leaves none half done. How far the
/// ranks are they tell each other in what they exchange at every step: when one could not write, all give up. libhdf5
/// is held for the layout of files only, and nobody waits for it: neither images nor the values in checkpoints go
/// through it.
package final class CheckpointSaving {
  /// How far this rank is with what it has to write.
  package enum Progress: Int {
    case idle, busy, done, failed
  }

  /// A checkpoint that is being written.
  private struct Pending {
    let step: Int
    /// Whether the run must not end without it.
    let isLast: Bool
    let partial: String
    /// On rank 0 it ends with the checkpoint, elsewhere with this rank's files; nil where there are none. Its result is
    /// what went wrong beside it.
    let job: BackgroundJob<[String]>?
  }

  private let store: CheckpointStore
  private let collector: ShardCollector
  private let communicator: Communicator
  /// By which rank 0 hears of the other ranks' files.
  private let messages: FileMessages
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
  /// What was warned of: once is enough.
  private var warnings: Set<String> = []

  /// Where threads share cores with it, a writer takes more of training's time than it needs itself: all wait for the
  /// one that it stands in the way of. So it takes what time is left over, for so many seconds.
  private static let patience = 20.0

  /// Collective.
  ///
  /// - Throws: `MPIError`.
  package init(
    _ settings: CheckpointSettings, in directory: RunDirectory, layout: ParameterLayout, schema: StateSchema,
    buckets: BucketPlan,
    communicator: Communicator, threads: ThreadPool, log: Logger
  ) throws {
    store = CheckpointStore(
      directory: directory.checkpoints, keep: settings.keep, keepEvery: settings.keepEvery)
    collector = ShardCollector(communicator: communicator, plan: buckets, threads: threads)
    self.communicator = communicator
    let (worldSize, rank) = (communicator.size, communicator.rank)
    let plan = CheckpointPlan(layout, schema, partBytes: settings.partBytes)
    messages = FileMessages(
      plan: plan, communicator: worldSize > 1 ? try communicator.duplicate() : communicator)
    snapshot = BackgroundJob("checkpoint", patience: Self.patience) { _ in
      CheckpointSnapshot(plan, worldSize: worldSize, rank: rank)
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
    let job = makeJob(
      snapshot, step: state.step, provenance, partial: partial, obstacle: obstacle, isLast: isLast)
    pending = Pending(step: state.step, isLast: isLast, partial: partial, job: job)
    // Nothing comes after it that would have to share the time.
    if isLast { try finish() }
  }

  private func makeJob(
    _ snapshot: CheckpointSnapshot, step: Int, _ provenance: Checkpoint.Provenance, partial: String,
    obstacle: FileError?, isLast: Bool
  ) -> BackgroundJob<[String]>? {
    guard communicator.rank == 0 || !snapshot.isEmpty || obstacle != nil else { return nil }
    return BackgroundJob("checkpoint", patience: isLast ? 0 : Self.patience) {
      [messages, store, metricsPath] job in
      let own = Result {
        if let obstacle { throw obstacle }
        return try snapshot.write(to: partial) { try job() }
      }
      // Nothing that other threads may wait for is held by one that may wait for its time.
      job.endPatience()
      // Sorted, so that the manifest does not show who wrote what.
      guard let files = try messages.collect(own)?.sorted(by: { $0.name < $1.name }) else { return [] }
      try job()
      try WholeFile.synchronize(metricsPath)
      try CheckpointManifest(step: step, provenance, files: files).write(to: partial)
      try job()
      return try store.publish(partial, step: step)
    }
  }

  /// How far this rank is. To be shared with all.
  package var progress: Progress {
    guard let pending else { return .idle }
    guard let job = pending.job else { return .done }
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
    self.pending = nil
    guard communicator.rank == 0 else { return }
    log.info(
      "checkpoint saved", metadata: ["step": "\(pending.step)", "path": "\(store.path(pending.step))"])
    for warning in try pending.job?.wait().get() ?? [] where warnings.insert(warning).inserted {
      log.warning("checkpoint saved, but", metadata: ["reason": "\(warning)"])
    }
  }

  /// Waits until nothing is being written any more. Collective.
  ///
  /// - Throws: as `advance`.
  package func finish() throws {
    while let pending {
      _ = pending.job?.wait()
      try advance(try communicator.allGather(progress.rawValue).compactMap(Progress.init))
    }
  }

  /// Removes what was written of a checkpoint that one rank could not write its part of. Collective.
  private func giveUp(_ pending: Pending) throws {
    self.pending = nil
    let error = Self.failure(pending.job).map { savingError($0, step: pending.step) }
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
    guard case .failure(let error)? = job?.wait(), !(error is CancellationError),
      !(error is FileMessages.OtherRankFailed)
    else { return nil }
    return error
  }

  private func savingError(_ error: any Error, step: Int) -> any Error {
    guard let error = error as? FileError else { return error }
    return CheckpointSavingError(path: store.path(step), reason: error.reason)
  }
}
