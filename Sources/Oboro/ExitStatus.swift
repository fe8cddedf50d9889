/// The command's exit status. The numbers are those of BSD's sysexits, and part of the contract with scripts.
package enum ExitStatus: Int32, Sendable {
  case done = 0
  /// Any failure without its own status.
  case failure = 1
  /// The command line or the configuration is invalid: the same call will fail again.
  case usage = 64
  /// A file exists but has no usable content.
  case badData = 65
  /// An input or output operation failed.
  case inputOutput = 74
  /// Stopped on request, after saving a checkpoint: the same call resumes the run.
  case stopped = 75
}

/// An error with an exit status. Modules below this one know nothing of exit statuses; their errors are mapped here.
package protocol ExitStatusProviding: Error {
  var exitStatus: ExitStatus { get }
}
