import ArgumentParser
import Foundation
import Reporting

/// How an error, or a request for help, ends the process: a status and what is printed.
package struct Outcome: Equatable {
  package let exitStatus: Int32
  package let standardOutput: String
  package let standardError: String
  /// Whether another rank prints, and needs the time to: a launcher ends all processes when the first one fails.
  package let isSilent: Bool

  /// Of a wrong command line or configuration, which all ranks share, rank 0 alone speaks. Any other error is printed
  /// by the rank that has it.
  ///
  /// - Parameter arguments: the command line's.
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

  /// Prints and ends the process.
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
    // What the argument parser throws is known to the argument parser: help, or a usage error. All else is 1 to it.
    return OboroCommand.exitCode(for: error).rawValue
  }

  private static func text(of error: any Error, _ status: Int32, _ arguments: [String]) -> String {
    if error is any ExitStatusProviding { return "\(error)" }
    // A command that ends with a bare status has said what there is to say.
    if error is ExitCode { return "" }
    guard status == ExitStatus.usage.rawValue || status == ExitStatus.done.rawValue else {
      return OboroCommand.message(for: error)
    }
    // The message with the usage of the command in question, under our name in place of the parser's label.
    let full = OboroCommand.fullMessage(for: error)
    let label = "Error: "
    let text = full.hasPrefix(label) ? String(full.dropFirst(label.count)) : full
    guard text.hasPrefix("Missing expected argument"), let option = UnknownOption(in: arguments),
      let usage = text.range(of: "Usage: ")
    else { return text }
    return "\(option.message)\n\(text[usage.lowerBound...])"
  }
}
