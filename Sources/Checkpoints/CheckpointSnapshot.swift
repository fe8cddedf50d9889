import DataParallel
import Files
import Foundation
import Layers
import MPI
import Tensors

/// A copy of the state that this rank writes to checkpoints, which is written while training continues. Its memory is
/// allocated once and reused for each checkpoint.
final class CheckpointSnapshot: Sendable {
  private let files: [CheckpointPlan.File]
  private let writers: [Int]
  private let rank: Int
  /// For each file that this rank writes, a buffer for each of its members.
  private let pieces: [String: [StateMember: ParameterBuffer]]

  init(_ plan: CheckpointPlan, worldSize: Int, rank: Int) {
    files = plan.files
    writers = plan.writers(worldSize: worldSize)
    self.rank = rank
    pieces = Dictionary(
      uniqueKeysWithValues: zip(files, writers).filter { $1 == rank }.map { file, _ in
        let memories = file.members.map { ($0, ParameterBuffer(count: file.range.count)) }
        return (file.name, Dictionary(uniqueKeysWithValues: memories))
      })
  }

  /// Whether this rank writes nothing.
  var isEmpty: Bool { pieces.isEmpty }

  /// Copies the state, collecting from other ranks what they hold. Collective.
  ///
  /// - Throws: `MPIError`.
  func take(_ state: ShardedState, by collector: ShardCollector) throws {
    var stretches: [ShardCollector.Stretch] = []
    for (file, writer) in zip(files, writers) {
      for member in file.members {
        let target = pieces[file.name]?[member]
        if let shard = state.shard(member) {
          stretches.append(.init(of: shard, file.range, root: writer, target: target))
        } else if let target {
          collector.copy(
            state.weights.pointer + file.range.lowerBound, to: target.pointer, count: target.count)
        }
      }
    }
    try collector.collect(stretches)
  }

  /// Writes this rank's files to `folder`.
  ///
  /// - Throws: `FileError` for a failed system call, otherwise `HDF5Error`; what `checkCancellation` throws.
  func write(to folder: String, checkCancellation: () throws -> Void) throws -> [CheckpointManifest.File] {
    try files.compactMap { file in
      guard let memories = pieces[file.name] else { return nil }
      return try Checkpoint.write(file, to: folder, checkCancellation: checkCancellation) { member in
        guard let memory = memories[member] else { preconditionFailure("no copy of \(member)") }
        return (memory, file.range.lowerBound)
      }
    }
  }
}
