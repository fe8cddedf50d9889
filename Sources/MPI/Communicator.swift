internal import COpenMPI

/// A group of ranks whose messages are separate from those of all other communicators.
///
/// Counts are `Int` everywhere: operations on more elements than a C `int` can count are split into chunks. Buffers
/// belong to the caller. Negative ranks, tags and roots are rejected with MPI's own error, like those that are too
/// large.
///
/// Sendable although it holds a C handle: it is immutable after `init`, and MPI functions may be called from the
/// threads that the session's `ThreadLevel` allows. As MPI requires, two threads must not concurrently run collectives
/// on the same communicator, nor send on it to the same rank with the same tag: give each thread a `duplicate()`.
public final class Communicator: @unchecked Sendable {
  let library: Library
  private let communicator: MPI_Comm
  /// Whether the handle is freed with this object; the world communicator belongs to MPI.
  private let isOwned: Bool
  /// This process's rank in the group.
  public let rank: Int
  /// The number of processes in the group.
  public let size: Int
  /// The maximum number of elements in one MPI call; smaller than `Int32.max` only in tests.
  package let chunkLimit: Int

  /// Adopts `handle`, which is freed with the object if `isOwned`.
  private init(handle: MPI_Comm, isOwned: Bool, library: Library, chunkLimit: Int) throws {
    precondition(
      chunkLimit > 0 && chunkLimit <= Int(Int32.max), "chunk limit \(chunkLimit) is not in 1...\(Int32.max)")
    self.library = library
    self.communicator = handle
    self.isOwned = isOwned
    self.chunkLimit = chunkLimit
    var rank: Int32 = 0
    var size: Int32 = 0
    // Set before any other call: a communicator's errors must reach `check` rather than end the process.
    let codes = [
      (MPI_Comm_set_errhandler(handle, ompi_shim_errors_return()), "MPI_Comm_set_errhandler"),
      (MPI_Comm_rank(handle, &rank), "MPI_Comm_rank"),
      (MPI_Comm_size(handle, &size), "MPI_Comm_size"),
    ]
    self.rank = Int(rank)
    self.size = Int(size)
    for (code, function) in codes { try check(code, function) }
  }

  deinit {
    guard isOwned, Library.state == .active else { return }
    // Collective according to the standard, but Open MPI frees the communicator locally without waiting for other
    // ranks.
    var handle: MPI_Comm? = communicator
    MPI_Comm_free(&handle)
  }

  static func world(_ library: Library) throws -> Communicator {
    try Communicator(
      handle: ompi_shim_comm_world(), isOwned: false, library: library, chunkLimit: Int(Int32.max))
  }

  /// MPI's handle, valid while MPI is active.
  var handle: MPI_Comm {
    precondition(Library.state == .active, "a communicator was used after its session was finalised")
    return communicator
  }

  /// The host of this process, as reported by MPI.
  public var hostName: String { Library.processorName }

  /// Terminates all processes of the world immediately. May be called from any thread.
  /// - Parameter code: the exit status; one that a shell would interpret as success becomes 1.
  public func abort(code: Int32) -> Never { Session.abort(code: code) }

  /// A communicator of the same group with separate messages. Collective.
  /// - Throws: `MPIError`.
  public func duplicate() throws -> Communicator { try duplicate(chunkLimit: chunkLimit) }

  /// A duplicate whose MPI calls are limited to `chunkLimit` elements, the same on all ranks. Collective.
  package func duplicate(chunkLimit: Int) throws -> Communicator {
    var copy: MPI_Comm? = ompi_shim_comm_null()
    try check(MPI_Comm_dup(handle, &copy), "MPI_Comm_dup")
    guard let copy else { preconditionFailure("MPI_Comm_dup succeeded without a communicator") }
    return try Communicator(handle: copy, isOwned: true, library: library, chunkLimit: chunkLimit)
  }

  /// Splits the group into the ranks that pass the same color, ordered by `key`, then by rank. Collective.
  /// - Parameter color: non-negative; nil to join no group.
  /// - Returns: the communicator of this rank's group; nil for a nil color.
  /// - Throws: `MPIError`.
  public func split(color: Int?, key: Int = 0) throws -> Communicator? {
    precondition((color ?? 0) >= 0, "color \(color ?? 0) is negative")
    var part: MPI_Comm? = ompi_shim_comm_null()
    let code = MPI_Comm_split(
      handle, color.map { Int32(clamping: $0) } ?? MPI_UNDEFINED, Int32(clamping: key), &part)
    try check(code, "MPI_Comm_split")
    guard let part, part != ompi_shim_comm_null() else { return nil }
    return try Communicator(handle: part, isOwned: true, library: library, chunkLimit: chunkLimit)
  }

  /// A rank as an MPI argument. Negative numbers, which MPI treats as wildcards, are mapped to one that it rejects.
  func rankArgument(_ rank: Int) -> Int32 { rank < 0 ? .max : Int32(clamping: rank) }

  /// A tag as an MPI argument. Negative numbers, which MPI treats as wildcards, are mapped to one that it rejects.
  func tagArgument(_ tag: Int) -> Int32 { tag < 0 ? Int32.min : Int32(clamping: tag) }
}
