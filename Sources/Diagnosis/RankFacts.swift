/// What a rank reports about itself and its host.
package struct RankFacts: Codable, Equatable, Sendable {
  package var rank = 0
  package var host = ""
  /// The digest of the program's executable.
  package var program = ""

  package var mpi = ""
  package var launcher = "none"
  package var hdf5 = ""
  /// The value of `HDF5_USE_FILE_LOCKING`, if set.
  package var hdf5Locking: String?
  package var blasKernels = ""
  /// Whether the processor has AVX-512 but the kernels do not use it.
  package var hasLesserBLASKernels = false
  /// The number of threads that OpenBLAS was configured to use, or would choose.
  package var blasThreads = 1
  /// The environment variables that set the number of threads.
  package var blasVariables: [String] = []

  package var processor = ""
  /// The numbers of the logical CPUs that the process may run on.
  package var boundCores: [Int] = []
  package var hostCores = 0
  /// The CPU time available to the process, in cores, if limited by a container.
  package var coreShare: Double?
  /// The number of threads that training would use.
  package var threads = 1
  package var gigaflopsPerSecond: Double?

  package var memoryBytes = 0
  package var availableMemoryBytes = 0
  /// The size of the shared memory file system; nil if there is none.
  package var sharedMemoryBytes: Int?
  package var freeSharedMemoryBytes: Int?
  /// Whether ranks on this host can map each other's memory.
  package var showsMemory = false
  /// The soft limit on open files.
  package var openFiles = 0

  /// For example, `eth0 10.0.0.1/24`.
  package var interfaces: [String] = []
  /// Seconds by which the host's clock is ahead of that of rank 0's host.
  package var clockAhead = 0.0
  /// The uncertainty of `clockAhead`.
  package var clockTolerance = 0.0

  /// The results for the subjects to check; nil for those not given.
  package var configuration: Check?
  package var dataset: Check?
  package var output: Check?
  package var writeBytesPerSecond: Double?

  /// The result of checking a subject.
  package struct Check: Codable, Equatable, Sendable {
    package var path: String
    /// A digest that is expected to be the same on all hosts.
    package var digest: String?
    package var problem: String?

    package init(path: String, digest: String? = nil, problem: String? = nil) {
      self.path = path
      self.digest = digest
      self.problem = problem
    }
  }

  package init() {}
}
