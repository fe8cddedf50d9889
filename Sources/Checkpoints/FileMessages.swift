import Foundation
import MPI

/// Messages by which the threads that write a checkpoint's files report to rank 0, without involving the training
/// threads.
///
/// For each checkpoint, every rank that writes files sends exactly one message, whether or not it succeeded, and rank 0
/// receives them all, so that none is left over for the next checkpoint.
///
/// `@unchecked Sendable`: only one checkpoint is written at a time, by one thread per rank.
final class FileMessages: @unchecked Sendable {
  /// Rank 0 has written its files, but another rank failed, and reports the reason itself.
  struct OtherRankFailed: Error {}

  private let communicator: Communicator
  private let files: [CheckpointPlan.File]
  private let writers: [Int]

  /// The length of a hexadecimal digest.
  private static let digestLength = 64
  private static let entryLength = digestLength + MemoryLayout<UInt64>.size
  /// Seconds between polls of a request; MPI's blocking wait would occupy a core.
  private static let pause = 0.002

  /// - Parameter communicator: used for nothing else.
  init(plan: CheckpointPlan, communicator: Communicator) {
    self.communicator = communicator
    files = plan.files
    writers = plan.writers(worldSize: communicator.size)
  }

  /// Reports this rank's files to rank 0; on rank 0, waits for all other ranks.
  ///
  /// - Parameter own: this rank's files in the order of the plan, or the error that prevented writing them.
  /// - Returns: the files of all ranks on rank 0, nil elsewhere.
  /// - Throws: the error in `own`; `OtherRankFailed`; `MPIError`.
  func collect(_ own: Result<[CheckpointManifest.File], any Error>) throws -> [CheckpointManifest.File]? {
    guard communicator.rank == 0 else {
      if writers.contains(communicator.rank) { try send(own) }
      _ = try own.get()
      return nil
    }
    var all: [CheckpointManifest.File]? = try? own.get()
    for rank in 1..<max(communicator.size, 1) where writers.contains(rank) {
      // Received from every rank even if one has failed, so that no message is left for the next checkpoint.
      if let theirs = try receive(from: rank) { all?.append(contentsOf: theirs) } else { all = nil }
    }
    let mine = try own.get()
    guard let all else { throw OtherRankFailed() }
    precondition(all.count == files.count, "\(all.count) of \(files.count) files, \(mine.count) of them here")
    return all
  }

  private func names(of rank: Int) -> [String] { zip(files, writers).filter { $1 == rank }.map(\.0.name) }

  /// The message is a byte that indicates success, followed by the size and digest of each file.
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

  /// Returns nil if that rank has failed.
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
