/// A reason why a process cannot start to use MPI.
public enum SessionError: Error, Equatable, Sendable, CustomStringConvertible {
  /// MPI is in use in this process already.
  case alreadyInitialized
  /// MPI was in use in this process and has been finalised: it cannot start again.
  case alreadyFinalized
  /// The MPI library allows its callers fewer threads than wanted.
  case threadLevel(wanted: ThreadLevel, granted: ThreadLevel)
  /// A launcher started several processes, but MPI sees each of them as a world of its own.
  case separateWorlds(launcher: Launcher)

  public var description: String {
    switch self {
    case .alreadyInitialized:
      "MPI is initialised already: a process has one MPI session; pass on the one that exists"
    case .alreadyFinalized:
      "MPI has been finalised: a process has one MPI session and cannot start another after it ends"
    case .threadLevel(let wanted, let granted):
      "the MPI library grants \(granted), but \(wanted) is needed; use an MPI built with thread support"
    case .separateWorlds(let launcher):
      "\(launcher.name) started \(launcher.processCount ?? 0) processes, but MPI connects this one to no other: "
        + "launcher and MPI library do not fit together; start with the mpirun of the same Open MPI, "
        + "or with srun --mpi=pmix"
    }
  }
}
