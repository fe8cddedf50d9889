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
    // Files, not pipes: a reader of a pipe waits for grandchildren too, if they inherit it.
    let folder = FileManager.default.temporaryDirectory.appending(component: "run-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = [folder.appending(component: "output"), folder.appending(component: "errors")]
    for file in files { try Data().write(to: file) }

    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: files[0])
    process.standardError = try FileHandle(forWritingTo: files[1])
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }

    let start = ContinuousClock.now
    try process.run()
    let timedOut = ended.wait(timeout: .now() + timeout) == .timedOut
    if timedOut {
      process.terminate()
      if ended.wait(timeout: .now() + 5) == .timedOut {
        kill(process.processIdentifier, SIGKILL)
        ended.wait()
      }
    }
    let duration = (ContinuousClock.now - start) / .seconds(1)
    return ProcessRun(
      command: ([executable.lastPathComponent] + arguments).joined(separator: " "),
      exitStatus: (process.terminationReason == .uncaughtSignal ? 128 : 0) + process.terminationStatus,
      output: String(decoding: try Data(contentsOf: files[0]), as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: files[1]), as: UTF8.self),
      duration: duration, timedOut: timedOut)
  }
}
