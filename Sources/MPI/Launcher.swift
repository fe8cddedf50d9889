import Foundation

/// What started this process, as its environment tells: needs no MPI, so a command can ask before it initialises.
public struct Launcher: Equatable, Sendable {
  /// What to call it in messages, such as `mpirun`.
  public let name: String
  /// How many processes it started, where it tells.
  public let processCount: Int?
  /// Which of them this is, where it tells.
  public let rank: Int?

  /// What started this process; nil when no launcher did. Only until MPI is initialised, which changes the environment;
  /// then `Session.launcher` remembers it.
  public static var current: Launcher? { Launcher(environment: ProcessInfo.processInfo.environment) }

  /// The launcher that `environment` tells of; nil when the process was started by itself.
  public init?(environment: [String: String]) {
    func number(_ key: String) -> Int? { environment[key].flatMap { Int($0) } }
    // mpirun inside a Slurm allocation leaves both kinds of variables: its own are looked at first.
    // `SLURM_STEP_NUM_TASKS` rather than `SLURM_NTASKS`: a batch script that srun has not started has the latter too.
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
