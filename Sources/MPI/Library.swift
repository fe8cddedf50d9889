internal import COpenMPI
import Foundation

/// The initialised MPI library of this process, finalised when its last user is released.
///
/// The session and every communicator hold a reference, so that none of them can outlive MPI by accident.
final class Library: Sendable {
  enum State { case uninitialized, active, finalized }

  /// Maps an error to its exit status.
  let exitStatus: @Sendable (any Error) -> Int32

  /// MPI's state in this process. Queried from MPI itself, so it is valid whoever initialised it.
  static var state: State {
    var initialized: Int32 = 0
    var finalized: Int32 = 0
    MPI_Initialized(&initialized)
    MPI_Finalized(&finalized)
    return finalized != 0 ? .finalized : initialized != 0 ? .active : .uninitialized
  }

  /// - Throws: `SessionError`, `MPIError`.
  init(threadLevel: ThreadLevel, exitStatus: @escaping @Sendable (any Error) -> Int32) throws {
    switch Self.state {
    case .active: throw SessionError.alreadyInitialized
    case .finalized: throw SessionError.alreadyFinalized
    case .uninitialized: break
    }
    self.exitStatus = exitStatus
    Self.tune()
    if SingletonStart.isSingleton(ProcessInfo.processInfo.environment) { SingletonStart.prepare() }
    var provided: Int32 = 0
    try check(MPI_Init_thread(nil, nil, threadLevel.constant, &provided), "MPI_Init_thread")
    // If the initialiser throws from here on, `self` is released and its `deinit` finalises MPI.
    for communicator in [ompi_shim_comm_world(), ompi_shim_comm_self()] {
      try check(
        MPI_Comm_set_errhandler(communicator, ompi_shim_errors_return()), "MPI_Comm_set_errhandler")
    }
    try threadLevel.require(granted: ThreadLevel(constant: provided))
  }

  /// Sets Open MPI parameters that suit our messages better than the defaults, unless the environment sets them.
  private static func tune() {
    // Over TCP, send long messages as a stream of fragments. With Open MPI's default `put`, each fragment waits for an
    // acknowledgement by the receiver while the network idles: a fifth of the time at 1 Gbit/s.
    setenv("OMPI_MCA_btl_tcp_flags", "send,inplace", 0)
    allowManyFiles()
  }

  /// Raises the limit on open files: over TCP, a rank may need a connection to every other rank.
  private static func allowManyFiles() {
    var limit = rlimit()
    let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(files, &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(files, &limit)
  }

  deinit {
    // No caller is left to handle an error.
    try? finalize()
  }

  func finalize() throws {
    guard Self.state == .active else { return }
    try check(MPI_Finalize(), "MPI_Finalize")
  }

  static var threadLevel: ThreadLevel {
    get throws {
      var level: Int32 = 0
      try check(MPI_Query_thread(&level), "MPI_Query_thread")
      return ThreadLevel(constant: level)
    }
  }

  /// Requires an active library.
  static var worldRank: Int {
    var rank: Int32 = 0
    MPI_Comm_rank(ompi_shim_comm_world(), &rank)
    return Int(rank)
  }

  /// Requires an active library.
  static var worldSize: Int {
    var size: Int32 = 0
    MPI_Comm_size(ompi_shim_comm_world(), &size)
    return Int(size)
  }

  /// Requires an active library.
  static var processorName: String {
    string(capacity: MPI_MAX_PROCESSOR_NAME) { MPI_Get_processor_name($0, $1) }
  }

  static var version: String {
    string(capacity: MPI_MAX_LIBRARY_VERSION_STRING) { MPI_Get_library_version($0, $1) }
  }

  /// The string that an MPI function writes into a buffer of the capacity required by the standard.
  static func string(
    capacity: Int32, _ fill: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<Int32>) -> Int32
  ) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(capacity) + 1) { buffer in
      buffer.initialize(repeating: 0)
      guard let base = buffer.baseAddress else { return "" }
      var length: Int32 = 0
      guard fill(base, &length) == MPI_SUCCESS else { return "unknown" }
      return String(cString: base)
    }
  }
}
