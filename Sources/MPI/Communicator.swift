internal import COpenMPI

/// A group of ranks that talk to each other, apart from all other communicators.
///
/// Counts are `Int` everywhere: operations over more elements than a C `int` counts are done in chunks. Buffers belong
/// to the caller. Negative ranks, tags and roots are refused with MPI's own error, like those beyond the end.
///
/// Sendable although it holds a C handle: nothing of it changes after `init`, and MPI's functions may be called from
/// the threads that the session's `ThreadLevel` allows. As MPI demands, two threads must not run collectives on one
/// communicator at once, nor send on it to one rank with one tag at once: give each thread a `duplicate()`.
public final class Communicator: @unchecked Sendable {
  let library: Library
  private let communicator: MPI_Comm
  /// The world communicator is MPI's; others are freed with the object.
  private let isOwned: Bool
  /// This process's number in the group.
  public let rank: Int
  /// The number of processes in the group.
  public let size: Int
  /// The most elements that one MPI call may count. Smaller than `Int32.max` only in tests.
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
    // From the first call on: a communicator's errors must reach `check`, not end the process.
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
    // MPI calls this collective, but Open MPI frees locally: no waiting for others.
    var handle: MPI_Comm? = communicator
    MPI_Comm_free(&handle)
  }

  static func world(_ library: Library) throws -> Communicator {
    try Communicator(
      handle: ompi_shim_comm_world(), isOwned: false, library: library, chunkLimit: Int(Int32.max))
  }

  /// MPI's handle, while MPI is in use.
  var handle: MPI_Comm {
    precondition(Library.state == .active, "a communicator was used after its session was finalised")
    return communicator
  }

  /// The host of this process, as MPI names it.
  public var hostName: String { Library.processorName }

  /// Ends all processes of the world at once, from any thread.
  /// - Parameter code: the exit status; one that a shell would take for success becomes 1.
  public func abort(code: Int32) -> Never { Session.abort(code: code) }

  /// The same group with traffic of its own. Collective.
  /// - Throws: `MPIError`.
  public func duplicate() throws -> Communicator { try duplicate(chunkLimit: chunkLimit) }

  /// A duplicate whose MPI calls count at most `chunkLimit` elements, the same on all ranks. Collective.
  package func duplicate(chunkLimit: Int) throws -> Communicator {
    var copy: MPI_Comm? = ompi_shim_comm_null()
    try check(MPI_Comm_dup(handle, &copy), "MPI_Comm_dup")
    guard let copy else { preconditionFailure("MPI_Comm_dup succeeded without a communicator") }
    return try Communicator(handle: copy, isOwned: true, library: library, chunkLimit: chunkLimit)
  }

  /// The ranks that give the same color, ordered by `key`, then by rank. Collective.
  /// - Parameter color: 0 or more; nil to be in no group.
  /// - Returns: the group of this rank; nil for a nil color.
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

  /// A rank as MPI takes it. Negative numbers, which MPI reads as wildcards, become one that it refuses.
  func rankArgument(_ rank: Int) -> Int32 { rank < 0 ? .max : Int32(clamping: rank) }

  /// A tag as MPI takes it. Negative numbers, which MPI reads as wildcards, become one that it refuses.
  func tagArgument(_ tag: Int) -> Int32 { tag < 0 ? Int32.min : Int32(clamping: tag) }
}
