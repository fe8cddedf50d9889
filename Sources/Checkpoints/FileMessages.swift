import Foundation
import MPI

/// How the threads that write a checkpoint's files tell rank 0 of them, without the threads that train.
///
/// For each checkpoint every rank that writes files sends one message, whatever became of them, and rank 0 takes them
/// all: so none is left over for the next one.
///
/// `@unchecked Sendable`: one checkpoint is written at a time, by one thread of each rank.
final class FileMessages: @unchecked Sendable {
  /// Rank 0's files are written, but not those of another rank, which says why.
  struct OtherRankFailed: Error {}

  private let communicator: Communicator
  private let files: [CheckpointPlan.File]
  private let writers: [Int]

  /// Hexadecimal digits of a digest.
  private static let digestLength = 64
  private static let entryLength = digestLength + MemoryLayout<UInt64>.size
  /// Seconds between two looks at what is under way: MPI's own waiting would take a core.
  private static let pause = 0.002

  /// - Parameter communicator: that nobody else uses.
  init(plan: CheckpointPlan, communicator: Communicator) {
    self.communicator = communicator
    files = plan.files
    writers = plan.writers(worldSize: communicator.size)
  }

  /// Tells rank 0 of this rank's files; there, waits for all others'.
  ///
  /// - Parameter own: in the plan's order; or why there are none.
  /// - Returns: those of all ranks on rank 0, nil elsewhere.
  /// - Throws: what `own` holds; `OtherRankFailed`; `MPIError`.
  func collect(_ own: Result<[CheckpointManifest.File], any Error>) throws -> [CheckpointManifest.File]? {
    guard communicator.rank == 0 else {
      if writers.contains(communicator.rank) { try send(own) }
      _ = try own.get()
      return nil
    }
    var all: [CheckpointManifest.File]? = try? own.get()
    for rank in 1..<max(communicator.size, 1) where writers.contains(rank) {
      // Taken from all, also when one has failed: nothing may be left for the next checkpoint.
      if let theirs = try receive(from: rank) { all?.append(contentsOf: theirs) } else { all = nil }
    }
    let mine = try own.get()
    guard let all else { throw OtherRankFailed() }
    precondition(all.count == files.count, "\(all.count) of \(files.count) files, \(mine.count) of them here")
    return all
  }

  private func names(of rank: Int) -> [String] { zip(files, writers).filter { $1 == rank }.map(\.0.name) }

  /// A byte that says whether all went well; then of each file its size and its digest.
  private func send(_ own: Result<[CheckpointManifest.File], any Error>) throws {
    var message = [UInt8](repeating: 0, count: 1 + names(of: communicator.rank).count * Self.entryLength)
    if case .success(let files) = own {
      message[0] = 1
      for (index, file) in files.enumerated() {
        let start = 1 + index * Self.entryLength
        for byte in 0..<MemoryLayout<UInt64>.size {
          message[start + byte] = UInt8(truncatingIfNeeded: file.bytes >> (8 * byte))
        }
        message.replaceSubrange(start + 8..<start + Self.entryLength, with: Array(file.sha256.utf8))
      }
    }
    try message.withUnsafeBufferPointer { try wait(for: communicator.immediateSend($0, to: 0)) }
  }

  /// nil if that rank has failed.
  private func receive(from rank: Int) throws -> [CheckpointManifest.File]? {
    let names = names(of: rank)
    var message = [UInt8](repeating: 0, count: 1 + names.count * Self.entryLength)
    try message.withUnsafeMutableBufferPointer {
      try wait(for: communicator.immediateReceive(into: $0, from: rank))
    }
    guard message[0] == 1 else { return nil }
    return names.enumerated().map { index, name in
      let entry = message[(1 + index * Self.entryLength)...].prefix(Self.entryLength)
      return CheckpointManifest.File(
        name: name, bytes: entry.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) },
        sha256: String(decoding: entry.dropFirst(8), as: UTF8.self))
    }
  }

  private func wait(for request: Request) throws {
    while try !request.test() { Thread.sleep(forTimeInterval: Self.pause) }
  }
}
