import Files
import Foundation
import Logging
import Synchronization

/// The log of a run: every message is written as a dated line to a file, and in short form to the console.
///
/// With several ranks, only rank 0 writes the file, since lines appended to one file by different machines over a
/// network can overwrite each other; the other ranks print warnings and errors, along with their rank, on their
/// console, which `mpirun` forwards to the user.
public final class RunLog: Sendable {
  let rank: Int
  private let console: Console
  private let file: LineFile?
  private let date: @Sendable () -> Date
  private let hasFileFailed = Mutex(false)

  /// - Parameters:
  ///   - path: the file to append to, created if necessary; nil for none. Ranks other than 0 ignore it.
  ///   - date: returns the current date; tests provide their own.
  /// - Throws: `FileError` if the file cannot be opened.
  public init(
    path: String?, rank: Int = 0, console: Console, date: @escaping @Sendable () -> Date = { Date() }
  ) throws {
    self.rank = rank
    self.console = console
    self.date = date
    file = rank == 0 ? try path.map { try LineFile(appendingTo: $0) } : nil
  }

  /// A logger that writes to this log.
  public func logger(_ label: String, level: Logger.Level = .info) -> Logger {
    Logger(label: label) { _ in RunLogHandler(log: self, logLevel: level) }
  }

  /// Writes a message only to the file, when the console shows the same information in another form.
  package func record(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:]) {
    append(level, LogText.line(message, metadata))
  }

  func write(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) {
    let text = LogText.line(message, metadata)
    console.print(LogText.console(level, text, rank: rank, hasColours: console.terminal.hasColours))
    append(level, text)
  }

  private func append(_ level: Logger.Level, _ text: String) {
    guard let file else { return }
    do {
      try file.append("\(LogText.timestamp(date())) \(level) \(text)")
    } catch {
      let isFirst = hasFileFailed.withLock { hasFailed in
        defer { hasFailed = true }
        return !hasFailed
      }
      // Warn only once: a full disk would otherwise double every message.
      if isFirst {
        console.print(
          LogText.console(.warning, "\(error); the log goes on without it", rank: rank, hasColours: false))
      }
    }
  }
}

/// The handler that swift-log calls for each message.
struct RunLogHandler: LogHandler {
  let log: RunLog
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    if log.rank != 0 && event.level < .warning { return }
    var all = metadata
    all.merge(metadataProvider?.get() ?? [:]) { $1 }
    all.merge(event.metadata ?? [:]) { $1 }
    if let error = event.error { all["error"] = "\(error)" }
    log.write(event.level, event.message.description, all)
  }
}
