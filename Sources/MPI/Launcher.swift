import Foundation

/// The launcher that started this process, according to the environment. Does not require MPI, so that a command can
/// query it before initialisation.
public struct Launcher: Equatable, Sendable {
  /// Its name in messages, such as `mpirun`.
  public let name: String
  /// The number of processes it started, if known.
  public let processCount: Int?
  /// The rank of this process, if known.
  public let rank: Int?

  /// The launcher of this process; nil if there is none. Valid only until MPI is initialised, which changes the
  /// environment; use `Session.launcher` after that.
  public static var current: Launcher? { Launcher(environment: ProcessInfo.processInfo.environment) }

  /// The launcher described by `environment`; nil if the process was started directly.
  public init?(environment: [String: String]) {
    func number(_ key: String) -> Int? { environment[key].flatMap { Int($0) } }
    // mpirun inside a Slurm allocation leaves both sets of variables, so its own take precedence.
    // `SLURM_STEP_NUM_TASKS` rather than `SLURM_NTASKS`, which is also set in batch scripts not started by srun.
    let known = [
      ("mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
      ("mpiexec", "PMI_SIZE", "PMI_RANK"),
      ("srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ]
    for (name, count, rank) in known {
      guard let processCount = number(count) else { continue }
      self.name = name
      self.processCount = processCount
      self.rank = number(rank)
      return
    }
    for key in ["PMIX_RANK", "PMI_RANK"] {
      guard let rank = number(key) else { continue }
      name = "a launcher"
      processCount = nil
      self.rank = rank
      return
    }
    return nil
  }
}
