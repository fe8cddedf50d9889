/// What the command tells its caller when it ends. The numbers are those of BSD's sysexits, and part of the contract
/// with scripts.
package enum ExitStatus: Int32, Sendable {
  case done = 0
  /// What no other status is for.
  case failure = 1
  /// The command line or the configuration is wrong: the same call fails again.
  case usage = 64
  /// A file is there but says nothing usable.
  case badData = 65
  /// Reading or writing failed.
  case inputOutput = 74
  /// Stopped on request, after saving a checkpoint: the same call goes on.
  case stopped = 75
}

/// An error that knows how the process ends. Modules below know nothing of exit statuses; their errors are mapped here.
package protocol ExitStatusProviding: Error {
  var exitStatus: ExitStatus { get }
}
