/// A reason why a process cannot start using MPI.
public enum SessionError: Error, Equatable, Sendable, CustomStringConvertible {
  /// MPI is already in use in this process.
  case alreadyInitialized
  /// MPI has been finalised in this process and cannot be restarted.
  case alreadyFinalized
  /// The MPI library provides less thread support than required.
  case threadLevel(wanted: ThreadLevel, granted: ThreadLevel)
  /// A launcher started several processes, but MPI places each of them in a separate world.
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
