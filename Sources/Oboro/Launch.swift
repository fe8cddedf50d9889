/// The launcher's information about this process, available before and without MPI.
package struct Launch: Sendable, Equatable {
  /// nil if the process was started without a launcher.
  package let rank: Int?
  /// The number of ranks on this host according to the launcher; 1 without one.
  package let ranksOnHost: Int

  /// The names for the rank in Open MPI, PMIx, PMI (MPICH, Intel MPI) and Slurm.
  private static let rankNames = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"]

  /// The names for the number of ranks on a host in Open MPI, and in MPICH and Intel MPI.
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
