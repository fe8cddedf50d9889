import Foundation

/// What came of a process that has ended.
public struct ProcessRun: Sendable, CustomStringConvertible {
  /// The command, for messages.
  public let command: String
  /// Its exit status; 128 + the signal's number when a signal ended it, as a shell counts.
  public let exitStatus: Int32
  /// What it wrote to standard output.
  public let output: String
  /// What it wrote to standard error.
  public let errors: String
  /// Seconds from start to end.
  public let duration: TimeInterval
  /// Whether it was ended for taking too long.
  public let timedOut: Bool

  public var outputLines: [Substring] { output.split(separator: "\n") }
  public var errorLines: [Substring] { errors.split(separator: "\n") }

  public var description: String {
    """
    \(command)
    \(timedOut ? "timed out" : "exit status \(exitStatus)") after \(duration) s
    --- output
    \(output)
    --- errors
    \(errors)
    """
  }

  /// Runs `executable` to its end, or for `timeout` seconds: then it is asked to end, and 5 seconds later killed.
  /// - Parameter environment: replaces or adds to this process's.
  /// - Throws: what Foundation throws for a program that does not start.
  public static func run(
    _ executable: URL, _ arguments: [String] = [], environment: [String: String] = [:],
    timeout: TimeInterval = 120
  ) throws -> ProcessRun {
    try RunningProcess(executable, arguments, environment: environment).wait(timeout: timeout)
  }
}
