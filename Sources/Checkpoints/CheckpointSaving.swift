import Configuration
import DataParallel
import Files
import Foundation
import HDF5
import Kernels
import Layers
import Logging
import MPI

/// Saves checkpoints while training continues; each rank writes its own files, and training only waits for a copy of
/// the state to be taken.
///
/// The background threads access nothing but files, and completing a checkpoint requires nothing of the training
/// threads: each rank's background thread notifies that of rank 0 once its files are written, and rank 0 then writes
/// the manifest that completes the checkpoint. Hence a step that takes minutes, or the generation of a sample grid,
/// does not leave a checkpoint incomplete. The ranks exchange their progress as part of every step; if one failed to
/// write, all abandon the checkpoint. libhdf5 is locked only while files are laid out, and no thread contends for it:
/// neither images nor checkpoint values are transferred through it.
package final class CheckpointSaving {
  /// The progress of this rank's writing.
  package enum Progress: Int {
    case idle, busy, done, failed
  }

  /// A checkpoint in the process of being written.
  private struct Pending {
    let step: Int
    /// Whether the run must not end without it.
    let isLast: Bool
    let partial: String
    /// On rank 0, completes together with the checkpoint; elsewhere, once this rank's files are written; nil if it
    /// writes none. The result lists problems that do not affect the checkpoint itself.
    let job: BackgroundJob<[String]>?
  }

  private let store: CheckpointStore
  private let collector: ShardCollector
  private let communicator: Communicator
  /// Notifies rank 0 of the other ranks' files.
  private let messages: FileMessages
  /// Flushed before a checkpoint counts as saved: its lines are not written again after a restart from it.
  private let metricsPath: String
  private let onFailure: CheckpointSettings.FailureResponse
  private let log: Logger
  /// Distinguishes this run's partial files from those of an earlier one; the same on all ranks.
  private let writer: String
  /// Allocated in the background during the first steps, since touching new memory takes longer than filling it.
  private let snapshot: BackgroundJob<CheckpointSnapshot>
  /// The same on all ranks except for the job.
  private var pending: Pending?
  /// Warnings already issued, to avoid repetition.
  private var warnings: Set<String> = []

  /// Seconds for which a writer runs at idle priority. If it shares cores with training threads, it costs training more
  /// time than it uses itself, because all threads wait for the one that it delays.
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

  /// Copies the state and starts writing it, after waiting for the previous checkpoint. Collective.
  ///
  /// - Parameters:
  ///   - obstacle: why this rank cannot save, if already known.
  ///   - isLast: whether the run must not end without this checkpoint.
  /// - Throws: like `advance`.
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
    // No training follows that could overlap with the writing.
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
      // A thread at idle priority must not hold anything that other threads may wait for.
      job.endPatience()
      // Sorted, so that the manifest does not depend on which rank wrote which file.
      guard let files = try messages.collect(own)?.sorted(by: { $0.name < $1.name }) else { return [] }
      try job()
      try WholeFile.synchronize(metricsPath)
      try CheckpointManifest(step: step, provenance, files: files).write(to: partial)
      try job()
      return try store.publish(partial, step: step)
    }
  }

  /// This rank's progress, to be exchanged with all ranks.
  package var progress: Progress {
    guard let pending else { return .idle }
    guard let job = pending.job else { return .done }
    return switch job.outcome {
    case nil: .busy
    case .success: .done
    case .failure: .failed
    }
  }

  /// Acts on the progress of the ranks. Collective.
  ///
  /// - Parameter progress: the progress of every rank.
  /// - Throws: `CollectiveFailure` if a checkpoint could not be written and the run must not continue without it;
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

  /// Waits until all writing has finished. Collective.
  ///
  /// - Throws: like `advance`.
  package func finish() throws {
    while let pending {
      _ = pending.job?.wait()
      try advance(try communicator.allGather(progress.rawValue).compactMap(Progress.init))
    }
  }

  /// Abandons a checkpoint that a rank failed to write, and removes its files. Collective.
  private func giveUp(_ pending: Pending) throws {
    self.pending = nil
    let error = Self.failure(pending.job).map { savingError($0, step: pending.step) }
    // Once all messages have arrived, no rank is still writing.
    let messages = try communicator.allGather(error.map { "\($0)" } ?? "")
    if communicator.rank == 0 { try? FileManager.default.removeItem(atPath: pending.partial) }
    try communicator.agree {
      if let error, pending.isLast || onFailure == .stop { throw error }
    }
    if communicator.rank == 0, let rank = messages.firstIndex(where: { !$0.isEmpty }) {
      log.warning("checkpoint not saved", metadata: ["rank": "\(rank)", "reason": "\(messages[rank])"])
    }
  }

  /// Cancels a job and returns the error with which it failed, other than cancellation or another rank's failure.
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
