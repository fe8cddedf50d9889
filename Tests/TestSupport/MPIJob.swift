import Foundation

/// Programs run by mpirun.
public enum MPIJob {
  /// Runs `executable` as an MPI job of `ranks` processes on this machine.
  ///
  /// One job at a time: the ranks of several would take each other's cores, and time out.
  /// - Parameters:
  ///   - launcherArguments: more arguments of mpirun's.
  ///   - environment: replaces or adds to this process's, on all ranks.
  ///   - directory: where it runs; this process's directory if nil.
  ///   - timeout: seconds, from when the job's turn has come.
  ///   - whileRunning: what to do to the job, which is mpirun's process.
  public static func run(
    ranks: Int, _ executable: URL, _ arguments: [String] = [], launcherArguments: [String] = [],
    environment: [String: String] = [:], directory: URL? = nil, timeout: TimeInterval = 120,
    whileRunning: (RunningProcess) throws -> Void = { _ in }
  ) throws -> ProcessRun {
    let ours = ProcessInfo.processInfo.environment
    var settings = [
      // Containers build and test as root.
      "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    ]
    // Containers mostly forbid reading another process's memory: Open MPI would warn, and copy through shared memory.
    let singleCopy = "OMPI_MCA_btl_vader_single_copy_mechanism"
    if ours[singleCopy] == nil { settings[singleCopy] = "none" }
    settings.merge(environment) { $1 }

    return try whileNoOtherJobRuns {
      let job = try RunningProcess(
        URL(filePath: "/usr/bin/env"),
        ["mpirun", "--oversubscribe", "-n", "\(ranks)"] + launcherArguments + [executable.path] + arguments,
        environment: settings, directory: directory)
      try whileRunning(job)
      return try job.wait(timeout: timeout)
    }
  }

  /// A lock on a file beside the tests, which holds between processes too.
  private static func whileNoOtherJobRuns<T>(_ body: () throws -> T) throws -> T {
    let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path + ".mpi-lock"
    let file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: path]) }
    defer { close(file) }
    while flock(file, LOCK_EX) != 0 && errno == EINTR {}
    return try body()
  }
}
