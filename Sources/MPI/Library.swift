internal import COpenMPI
import Foundation

/// The initialised MPI library of this process, finalised when its last user is gone.
///
/// The session and every communicator hold it, so that none of them outlives MPI by accident.
final class Library: Sendable {
  enum State { case uninitialized, active, finalized }

  /// The exit status that an error asks for.
  let exitStatus: @Sendable (any Error) -> Int32

  /// Where this process stands. MPI itself is asked: the answer holds whoever initialised it.
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
    // A throw from here on releases `self`, whose `deinit` finalises.
    for communicator in [ompi_shim_comm_world(), ompi_shim_comm_self()] {
      try check(
        MPI_Comm_set_errhandler(communicator, ompi_shim_errors_return()), "MPI_Comm_set_errhandler")
    }
    try threadLevel.require(granted: ThreadLevel(constant: provided))
  }

  /// Settings of Open MPI that are better than its own for our messages; one that the environment has stays.
  private static func tune() {
    // Over TCP, long messages as a stream of fragments. With `put`, which is Open MPI's choice, each waits for the
    // receiver's answer on the way, and the wire idles: on 1 Gbit/s a fifth of the time.
    setenv("OMPI_MCA_btl_tcp_flags", "send,inplace", 0)
    allowManyFiles()
  }

  /// Over TCP, a rank may come to have a connection to each other one: more than the system allows at first.
  private static func allowManyFiles() {
    var limit = rlimit()
    let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(files, &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(files, &limit)
  }

  deinit {
    // Nobody is left to whom an error would matter.
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

  /// Needs an active library.
  static var worldRank: Int {
    var rank: Int32 = 0
    MPI_Comm_rank(ompi_shim_comm_world(), &rank)
    return Int(rank)
  }

  /// Needs an active library.
  static var worldSize: Int {
    var size: Int32 = 0
    MPI_Comm_size(ompi_shim_comm_world(), &size)
    return Int(size)
  }

  /// Needs an active library.
  static var processorName: String {
    string(capacity: MPI_MAX_PROCESSOR_NAME) { MPI_Get_processor_name($0, $1) }
  }

  static var version: String {
    string(capacity: MPI_MAX_LIBRARY_VERSION_STRING) { MPI_Get_library_version($0, $1) }
  }

  /// The text that an MPI function writes into a buffer of the size that the standard asks for.
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
