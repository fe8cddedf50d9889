import ArgumentParser
import Foundation
import MPI

/// A command whose work the ranks of a launcher share. Any other is done by the first rank alone.
protocol ParallelCommand: ParsableCommand {}

extension ParallelCommand {
  /// Runs `body` as this process's MPI session, see `Session.run`.
  ///
  /// - Parameters:
  ///   - environment: the process's, from before MPI changes it.
  ///   - body: returns how the command ended, the same on all ranks.
  /// - Throws: `ExitCode`, unless that is `done`.
  func runSession(_ environment: [String: String], _ body: (Session) throws -> ExitStatus) throws {
    let startTimeout = Result { try StartTimeout(environment: environment).seconds }
    let status = Session.run(
      program: "oboro", startTimeout: try? startTimeout.get(), exitStatus: { Outcome.status(of: $0) }
    ) { session in
      // Only now one rank can tell the others of its mistake.
      _ = try session.world.agree { try startTimeout.get() }
      return try body(session).rawValue
    }
    guard status == 0 else { throw ExitCode(status) }
  }
}

/// What `OBORO_START_TIMEOUT` says of how long the ranks wait for each other when MPI starts.
private struct StartTimeout {
  /// nil: as long as `Session` thinks right.
  let seconds: Double?

  private static let variable = "OBORO_START_TIMEOUT"

  /// - Throws: `ValidationError` if it is no time.
  init(environment: [String: String]) throws {
    seconds = try environment[Self.variable].map { text in
      guard let seconds = Double(text), (0...86_400).contains(seconds) else {
        throw ValidationError("\(Self.variable) must be 0 (never) to 86400 seconds, is \"\(text)\"")
      }
      return seconds
    }
  }
}
