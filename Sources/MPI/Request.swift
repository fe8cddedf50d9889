internal import COpenMPI
import Foundation

/// Thrown when a message is shorter than its non-blocking receive expected.
public struct MessageLengthError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A description of the receive.
  public let operation: String
  public let expectedCount: Int
  public let count: Int
  /// The receiving rank in the world.
  public let rank: Int

  public var description: String {
    "\(operation), on rank \(rank), got \(count) elements instead of \(expectedCount): "
      + "the ranks disagree on what they exchange"
  }
}

/// A pending operation. It retains its communicator but not its buffer: the buffer belongs to the caller, and must stay
/// valid and untouched until the request has completed.
///
/// Releasing a request waits for it, because its buffer is likely to be freed next while MPI would still access it. If
/// it does not complete within `gracePeriod`, because its peer is gone or only reaches the matching call after this
/// rank has continued, the process ends with a message: preferable to a silent hang or to memory corruption.
///
/// Not Sendable: use a request from one thread at a time.
public final class Request {
  /// Seconds to wait for a released request.
  package static let gracePeriod: TimeInterval = 5

  private let communicator: Communicator
  /// A description, built on demand since messages take only microseconds.
  private let operation: () -> String
  private let expected: (count: Int, of: (inout MPI_Status) throws -> Int)?
  /// One per chunk, in the order in which MPI matches them.
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
      // An error also completes its chunk, and matters less than whatever caused the request to be released.
      _ = try? test()
      guard completed < handles.count, Date() >= deadline else { continue }
      // Not a `precondition`, whose message is omitted in optimised builds.
      fatalError(
        "\(operation()), on rank \(Library.worldRank): dropped and not completed after \(Self.gracePeriod) s")
    }
  }

  /// Whether the operation has completed; also drives its progress.
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

  /// Blocks until the operation has completed and the caller may use its buffer again.
  /// - Throws: `MPIError`, `MessageLengthError`.
  public func wait() throws {
    while completed < handles.count {
      var status = MPI_Status()
      try finishChunk(MPI_Wait(&handles[completed], &status), &status, "MPI_Wait")
    }
  }

  /// Waits for all of `requests`.
  /// - Throws: the first error; the requests after it have not been awaited.
  public static func waitAll(_ requests: [Request]) throws {
    // MPI advances all requests while it waits for one.
    for request in requests { try request.wait() }
  }

  /// Adds the chunk started by `begin`.
  func start(_ function: String, _ begin: (inout MPI_Request?) -> Int32) throws {
    var handle: MPI_Request? = ompi_shim_request_null()
    try check(begin(&handle), function)
    handles.append(handle)
  }

  private func finishChunk(_ code: Int32, _ status: inout MPI_Status, _ function: String) throws {
    // MPI also frees a request that fails.
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

  /// Cancels the receives of chunks beyond the end of a message, which will never arrive.
  private func cancelRest() {
    while completed < handles.count {
      MPI_Cancel(&handles[completed])
      MPI_Wait(&handles[completed], nil)
      completed += 1
    }
  }
}
