import Foundation

/// The start of a process without a launcher: a world of one.
///
/// Open MPI starts a daemon for such a process, through the launcher that it finds (`ssh` or Slurm's), in case it
/// spawns others, as well as a server that listens on a network interface; and it creates a session directory in
/// `TMPDIR` or `/tmp`. In a container without `ssh` or a network, or with a read-only `/tmp`, that makes `MPI_Init`
/// fail. A process that remains alone needs none of this.
package enum SingletonStart {
  /// Whether a process with `environment` is on its own: it contains no variables of an MPI launcher or a process
  /// manager (PMI, PMIx), through which the processes of a job find each other.
  package static func isSingleton(_ environment: [String: String]) -> Bool {
    !environment.keys.contains { key in
      ["OMPI_COMM_WORLD_", "PMIX_", "PMI_"].contains { key.hasPrefix($0) }
    }
  }

  /// Configures Open MPI accordingly; settings already in the environment take precedence.
  static func prepare() {
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0)
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 0)
    // Otherwise Open MPI warns when there is no network.
    setenv("OMPI_MCA_if", "^posix_ipv4,linux_ipv6", 0)
  }
}
