import Foundation

/// The start of a process that no launcher has started: a world of one.
///
/// Open MPI starts a daemon for it, through the launcher that it finds (`ssh`, or Slurm's), in case it should spawn
/// others, and a server that listens on a network interface; and it makes a session directory in `TMPDIR` or `/tmp`. In a
/// container without `ssh`, without a network, or with a read-only `/tmp`, that ends `MPI_Init`. A process that stays
/// alone needs none of it.
package enum SingletonStart {
  /// Whether a process with `environment` finds no others: nothing there comes from an MPI launcher or from a process
  /// manager (PMI, PMIx), through which the processes of a job find each other.
  package static func isSingleton(_ environment: [String: String]) -> Bool {
    !environment.keys.contains { key in
      ["OMPI_COMM_WORLD_", "PMIX_", "PMI_"].contains { key.hasPrefix($0) }
    }
  }

  /// Tells Open MPI so; a setting that the environment has stays.
  static func prepare() {
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0)
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 0)
    // Or it complains when there is no network.
    setenv("OMPI_MCA_if", "^posix_ipv4,linux_ipv6", 0)
  }
}
