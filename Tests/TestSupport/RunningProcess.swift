import Foundation

/// A process that goes on while a test looks at what it does.
public final class RunningProcess {
  private let process = Process()
  private let ended = DispatchSemaphore(value: 0)
  private let folder: URL
  private let command: String
  private let start: ContinuousClock.Instant

  private var outputFile: URL { folder.appending(component: "output") }
  private var errorFile: URL { folder.appending(component: "errors") }

  /// Starts `executable`.
  /// - Parameters:
  ///   - environment: replaces or adds to this process's.
  ///   - directory: where it runs; this process's directory if nil.
  /// - Throws: what Foundation throws for a program that does not start.
  public init(
    _ executable: URL, _ arguments: [String] = [], environment: [String: String] = [:], directory: URL? = nil
  ) throws {
    // Files, not pipes: a reader of a pipe waits for grandchildren too, if they inherit it.
    folder = FileManager.default.temporaryDirectory.appending(component: "run-\(UUID().uuidString)")
    command = ([executable.lastPathComponent] + arguments).joined(separator: " ")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    start = ContinuousClock.now
    for file in [outputFile, errorFile] { try Data().write(to: file) }
    process.executableURL = executable
    process.arguments = arguments
    // A crash must look like one that users see, without a debugger's work on standard output.
    process.environment = ProcessInfo.processInfo.environment
      .merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }.merging(environment) { $1 }
    process.currentDirectoryURL = directory
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: outputFile)
    process.standardError = try FileHandle(forWritingTo: errorFile)
    let ended = ended
    process.terminationHandler = { _ in ended.signal() }
    // A process starts with the signals blocked that the thread that starts it blocks, and tests run on threads that
    // block nearly all.
    var (none, mask) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &mask)
    defer { pthread_sigmask(SIG_SETMASK, &mask, nil) }
    try process.run()
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    try? FileManager.default.removeItem(at: folder)
  }

  public var isRunning: Bool { process.isRunning }
  public var identifier: Int32 { process.processIdentifier }

  /// What it has written to standard error so far.
  public var errorsSoFar: String {
    (try? Data(contentsOf: errorFile)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  public func send(_ signal: Int32) { kill(identifier, signal) }

  /// Returns when `condition` holds, or the process has ended, or `timeout` seconds have passed.
  /// - Returns: whether the condition holds.
  public func wait(until condition: () -> Bool, timeout: TimeInterval = 60) -> Bool {
    let deadline = Date(timeIntervalSinceNow: timeout)
    while isRunning && Date() < deadline {
      if condition() { return true }
      usleep(5000)
    }
    return condition()
  }

  /// Waits for its end, or for `timeout` seconds: then it is asked to end, and 5 seconds later killed.
  public func wait(timeout: TimeInterval = 120) throws -> ProcessRun {
    let timedOut = ended.wait(timeout: .now() + timeout) == .timedOut
    if timedOut {
      process.terminate()
      if ended.wait(timeout: .now() + 5) == .timedOut {
        send(SIGKILL)
        ended.wait()
      }
    }
    let duration = (ContinuousClock.now - start) / .seconds(1)
    return ProcessRun(
      command: command,
      exitStatus: (process.terminationReason == .uncaughtSignal ? 128 : 0) + process.terminationStatus,
      output: String(decoding: try Data(contentsOf: outputFile), as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: errorFile), as: UTF8.self),
      duration: duration, timedOut: timedOut)
  }

  /// The process of a rank, if this is an mpirun that has started it on this machine.
  public func rank(_ rank: Int) -> Int32? {
    let processes =
      (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { Int32($0) } ?? []
    return processes.first { candidate in
      // The parent is the second field behind the name, which is in parentheses.
      guard let stat = Self.text("/proc/\(candidate)/stat"), let name = stat.lastIndex(of: ")"),
        stat[name...].split(separator: " ").dropFirst(2).first.flatMap({ Int32($0) }) == identifier
      else { return false }
      return Self.text("/proc/\(candidate)/environ")?.split(separator: "\0")
        .contains("OMPI_COMM_WORLD_RANK=\(rank)") ?? false
    }
  }

  /// The content of a file that has no size to go by.
  private static func text(_ path: String) -> String? {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    return (try? file.readToEnd()).map { String(decoding: $0, as: UTF8.self) }
  }
}
