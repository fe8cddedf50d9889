/// What the launcher of this process says of it, before MPI starts or where it cannot.
package struct Launch: Sendable, Equatable {
  /// nil when the process was started alone.
  package let rank: Int?

  /// Open MPI, PMIx, PMI (MPICH, Intel MPI) and Slurm each have their name for the rank.
  private static let rankNames = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"]

  package init(environment: [String: String]) {
    rank = Self.rankNames.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first
  }

  package var isFirst: Bool { (rank ?? 0) == 0 }
}
