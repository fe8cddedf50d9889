import ArgumentParser
import Foundation
import MPI

/// A command whose work the ranks of a launcher share. Any other is done by the first rank alone.
protocol ParallelCommand: ParsableCommand {}

extension ParallelCommand {
  /// Runs `body` as this process's MPI session, see `Session.run`.
  ///
  /// - Parameter body: is given the process's environment from before MPI changes it; returns how the command ended, the
  ///   same on all ranks.
  /// - Throws: `ExitCode`, unless that is `done`.
  func runSession(_ body: (Session, _ environment: [String: String]) throws -> ExitStatus) throws {
    let environment = ProcessInfo.processInfo.environment
    let timeout = Result { try startTimeout(in: environment) }
    let status = Session.run(
      program: "oboro", startTimeout: try? timeout.get(), exitStatus: { Outcome.status(of: $0) }
    ) { session in
      // Only now one rank can tell the others of its mistake.
      _ = try session.world.agree { try timeout.get() }
      return try body(session, environment).rawValue
    }
    guard status == 0 else { throw ExitCode(status) }
  }

  /// How many seconds the ranks wait for each other when MPI starts; nil: as long as `Session` thinks right.
  ///
  /// - Throws: `ValidationError` if the environment says what is no time.
  private func startTimeout(in environment: [String: String]) throws -> Double? {
    let variable = "OBORO_START_TIMEOUT"
    return try environment[variable].map { text in
      guard let seconds = Double(text), (0...86_400).contains(seconds) else {
        throw ValidationError("\(variable) must be 0 (never) to 86400 seconds, is \"\(text)\"")
      }
      return seconds
    }
  }
}
