/// What the launcher of this process says of it, before MPI starts or where it cannot.
package struct Launch: Sendable, Equatable {
  /// nil when the process was started alone.
  package let rank: Int?
  /// How many ranks run on this host, as far as the launcher says; 1 for a process that was started alone.
  package let ranksOnHost: Int

  /// Open MPI, PMIx, PMI (MPICH, Intel MPI) and Slurm each have their name for the rank.
  private static let rankNames = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"]

  /// Open MPI's, MPICH's and Intel MPI's name for the number of ranks on a host.
  private static let ranksOnHostNames = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"]

  package init(environment: [String: String]) {
    func number(_ names: [String]) -> Int? {
      names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first
    }
    rank = number(Self.rankNames)
    ranksOnHost = max(number(Self.ranksOnHostNames) ?? 1, 1)
  }

  package var isFirst: Bool { (rank ?? 0) == 0 }
}
