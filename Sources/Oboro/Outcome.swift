import ArgumentParser
import Foundation
import Reporting

/// The end of the process after an error or a request for help: an exit status and printed text.
package struct Outcome: Equatable {
  package let exitStatus: Int32
  package let standardOutput: String
  package let standardError: String
  /// Whether another rank prints, and needs time to do so: a launcher ends all processes when the first one fails.
  package let isSilent: Bool

  /// An invalid command line or configuration is the same on all ranks, and is reported only by rank 0. Any other error
  /// is printed by the rank where it occurs.
  ///
  /// - Parameter arguments: the command line's arguments.
  package init(of error: any Error, arguments: [String] = [], launch: Launch) {
    let status = Self.status(of: error)
    let printed = Self.text(of: error, status, arguments)
    let isShared = status == ExitStatus.usage.rawValue || status == ExitStatus.done.rawValue
    let isPrinted = !printed.isEmpty && (launch.isFirst || !isShared)
    let name = launch.isFirst ? "oboro: " : "oboro: rank \(launch.rank ?? 0): "

    exitStatus = status
    isSilent = !printed.isEmpty && !isPrinted
    standardOutput = isPrinted && status == ExitStatus.done.rawValue ? printed + "\n" : ""
    standardError = isPrinted && status != ExitStatus.done.rawValue ? name + printed + "\n" : ""
  }

  /// Prints the text and ends the process.
  package func exitProcess() -> Never {
    do {
      try print(standardOutput, terminator: "")
    } catch {
      if let error = error as? StandardOutputError, !error.isQuiet {
        StandardError().write("oboro: \(error)\n")
      }
      exit(ExitStatus.inputOutput.rawValue)
    }
    StandardError().write(standardError)
    if isSilent { Thread.sleep(forTimeInterval: 1) }
    exit(exitStatus)
  }

  static func status(of error: any Error) -> Int32 {
    if let error = error as? any ExitStatusProviding { return error.exitStatus.rawValue }
    if let error = error as? ExitCode { return error.rawValue }
    if (error as NSError).domain == NSPOSIXErrorDomain || error is CocoaError {
      return ExitStatus.inputOutput.rawValue
    }
    // The argument parser recognises its own errors: help requests and usage errors. It maps all others to 1.
    return OboroCommand.exitCode(for: error).rawValue
  }

  private static func text(of error: any Error, _ status: Int32, _ arguments: [String]) -> String {
    if error is any ExitStatusProviding { return "\(error)" }
    // A command that ends with a bare status has already printed everything.
    if error is ExitCode { return "" }
    guard status == ExitStatus.usage.rawValue || status == ExitStatus.done.rawValue else {
      return OboroCommand.message(for: error)
    }
    // The message with the usage of the command, prefixed with our name instead of the parser's label.
    let full = OboroCommand.fullMessage(for: error)
    let label = "Error: "
    let text = full.hasPrefix(label) ? String(full.dropFirst(label.count)) : full
    guard text.hasPrefix("Missing expected argument"), let option = UnknownOption(in: arguments),
      let usage = text.range(of: "Usage: ")
    else { return text }
    return "\(option.message)\n\(text[usage.lowerBound...])"
  }
}
