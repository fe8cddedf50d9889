/// What one rank says of itself and its host.
package struct RankFacts: Codable, Equatable, Sendable {
  package var rank = 0
  package var host = ""
  /// The digest of the program's file.
  package var program = ""

  package var mpi = ""
  package var launcher = "none"
  package var hdf5 = ""
  /// `HDF5_USE_FILE_LOCKING`, if it is set.
  package var hdf5Locking: String?
  package var blasKernels = ""
  /// Whether the processor has AVX-512 and they make no use of it.
  package var hasLesserBLASKernels = false
  /// Threads that OpenBLAS was told to use, or would choose.
  package var blasThreads = 1
  /// Variables that say so.
  package var blasVariables: [String] = []

  package var processor = ""
  /// A thread of the processor has a number.
  package var boundCores: [Int] = []
  package var hostCores = 0
  /// How many cores' time the process may use, where a container has a share.
  package var coreShare: Double?
  /// How many threads training would use.
  package var threads = 1
  package var gigaflopsPerSecond: Double?

  package var memoryBytes = 0
  package var availableMemoryBytes = 0
  /// Of the file system for shared memory; nil if there is none.
  package var sharedMemoryBytes: Int?
  package var freeSharedMemoryBytes: Int?
  /// Whether ranks of this host can look at each other's memory.
  package var showsMemory = false
  /// Soft limit.
  package var openFiles = 0

  /// `eth0 10.0.0.1/24` and so on.
  package var interfaces: [String] = []
  /// Seconds by which the host's clock is ahead of that of rank 0's.
  package var clockAhead = 0.0
  /// How exactly that is known.
  package var clockTolerance = 0.0

  /// What was named to look at: nil where it was not.
  package var configuration: Check?
  package var dataset: Check?
  package var output: Check?
  package var writeBytesPerSecond: Double?

  /// What looking at something came to.
  package struct Check: Codable, Equatable, Sendable {
    package var path: String
    /// What is the same on all hosts if all is well.
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
