import ArgumentParser
import Foundation
import MPI

/// A command whose work is distributed over the launcher's ranks. All other commands run only on the first rank.
protocol ParallelCommand: ParsableCommand {}

extension ParallelCommand {
  /// Runs `body` in this process's MPI session, see `Session.run`.
  ///
  /// - Parameter body: receives the process's environment from before MPI changes it, and returns the command's exit
  ///   status, which must be the same on all ranks.
  /// - Throws: `ExitCode`, unless that is `done`.
  func runSession(_ body: (Session, _ environment: [String: String]) throws -> ExitStatus) throws {
    let environment = ProcessInfo.processInfo.environment
    let timeout = Result { try startTimeout(in: environment) }
    let status = Session.run(
      program: "oboro", startTimeout: try? timeout.get(), exitStatus: { Outcome.status(of: $0) }
    ) { session in
      // Before this point a rank cannot report its error to the others.
      _ = try session.world.agree { try timeout.get() }
      return try body(session, environment).rawValue
    }
    guard status == 0 else { throw ExitCode(status) }
  }

  /// The number of seconds for which ranks wait for each other when MPI starts; nil selects the default of `Session`.
  ///
  /// - Throws: `ValidationError` if the environment variable is not a valid time.
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
