internal import COpenMPI
import Foundation

/// A message that came shorter than its non-blocking receive was told.
public struct MessageLengthError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The receive, in words.
  public let operation: String
  public let expectedCount: Int
  public let count: Int
  /// The receiving rank, in the world.
  public let rank: Int

  public var description: String {
    "\(operation), on rank \(rank), got \(count) elements instead of \(expectedCount): "
      + "the ranks disagree on what they exchange"
  }
}

/// An operation under way. It holds its communicator, not its buffer: the buffer's memory is the caller's, and must
/// live and be left alone until the request has completed.
///
/// Dropping a request waits for it, because its buffer is likely to be freed next and MPI would still write to it.
/// One that does not complete within `gracePeriod`, because its peer is gone or gets to it only after this rank has
/// gone on, ends the process with a message: rather than a silent hang, and rather than memory overwritten.
///
/// Not Sendable: one thread at a time uses a request.
public final class Request {
  /// How long a dropped request is waited for, in seconds.
  package static let gracePeriod: TimeInterval = 5

  private let communicator: Communicator
  /// In words, put together when they are needed: messages take microseconds.
  private let operation: () -> String
  private let expected: (count: Int, of: (inout MPI_Status) throws -> Int)?
  /// One for each chunk, in the order in which MPI matches them.
  private var handles: [MPI_Request?] = []
  private var completed = 0
  private var receivedCount = 0

  init(
    _ communicator: Communicator, _ operation: @escaping @autoclosure () -> String,
    expectedCount: (Int, (inout MPI_Status) throws -> Int)?
  ) {
    self.communicator = communicator
    self.operation = operation
    expected = expectedCount
  }

  deinit {
    guard completed < handles.count, Library.state == .active else { return }
    let deadline = Date(timeIntervalSinceNow: Self.gracePeriod)
    while completed < handles.count {
      // An error completes its chunk too, and is a lesser one than whatever made the request be dropped.
      _ = try? test()
      guard completed < handles.count, Date() >= deadline else { continue }
      // Not a `precondition`: those end an optimised program without their message.
      fatalError(
        "\(operation()), on rank \(Library.worldRank): dropped and not completed after \(Self.gracePeriod) s")
    }
  }

  /// Whether the operation has completed; makes it progress.
  /// - Throws: `MPIError`, `MessageLengthError`.
  public func test() throws -> Bool {
    while completed < handles.count {
      var isDone: Int32 = 0
      var status = MPI_Status()
      let code = MPI_Test(&handles[completed], &isDone, &status)
      if code == MPI_SUCCESS && isDone == 0 { return false }
      try finishChunk(code, &status, "MPI_Test")
    }
    return true
  }

  /// Returns when the operation has completed, and its buffer is the caller's again.
  /// - Throws: `MPIError`, `MessageLengthError`.
  public func wait() throws {
    while completed < handles.count {
      var status = MPI_Status()
      try finishChunk(MPI_Wait(&handles[completed], &status), &status, "MPI_Wait")
    }
  }

  /// Waits for all of `requests`.
  /// - Throws: the first error; the requests after it have not been waited for.
  public static func waitAll(_ requests: [Request]) throws {
    // MPI advances all of them while it waits for one.
    for request in requests { try request.wait() }
  }

  /// Adds the chunk that `begin` starts.
  func start(_ function: String, _ begin: (inout MPI_Request?) -> Int32) throws {
    var handle: MPI_Request? = ompi_shim_request_null()
    try check(begin(&handle), function)
    handles.append(handle)
  }

  private func finishChunk(_ code: Int32, _ status: inout MPI_Status, _ function: String) throws {
    // MPI frees a request that fails as well.
    completed += 1
    try check(code, function)
    guard let expected else { return }
    let count = try expected.of(&status)
    receivedCount += count
    if count < communicator.chunkLimit { cancelRest() }
    guard completed == handles.count, receivedCount != expected.count else { return }
    throw MessageLengthError(
      operation: operation(), expectedCount: expected.count, count: receivedCount, rank: Library.worldRank)
  }

  /// Withdraws the receives of chunks beyond a message's end: nothing will come for them.
  private func cancelRest() {
    while completed < handles.count {
      MPI_Cancel(&handles[completed])
      MPI_Wait(&handles[completed], nil)
      completed += 1
    }
  }
}
