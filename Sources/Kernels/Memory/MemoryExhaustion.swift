import Foundation

/// What happens when the system has no memory left: like Swift's own allocations, ours cannot throw, but they can say
/// why the process ends.
public enum MemoryExhaustion {
  /// Ends the process with a message on standard error and exit status 1.
  ///
  /// - Parameter byteCount: the size of the allocation that failed.
  public static func end(byteCount: Int) -> Never {
    let megabytes = (byteCount + 999_999) / 1_000_000
    let message =
      "oboro: out of memory: the system refused \(megabytes) MB. Fewer ranks per host, more microbatches or "
      + "training.recompute need less; limits of the shell or the batch system may be lower than the machine's memory\n"
    _ = message.utf8CString.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count - 1) }
    // Not `exit`: other threads are still running, and MPI must not wait for ranks that end in the middle of a step.
    _exit(1)
  }
}
