import ArgumentParser
import Foundation

/// The command `oboro`: parses, calls, prints.
@main
package struct OboroCommand: ParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "oboro",
    abstract: "Trains diffusion models on clusters of CPUs, data-parallel over MPI.",
    version: "0.1.0",
    subcommands: subcommands)

  private static let subcommands: [any ParsableCommand.Type] = [
    Prepare.self, Train.self, Sample.self, Inspect.self,
  ]

  package init() {}

  /// Runs the command of the process's arguments and ends the process with the exit status of its outcome.
  package static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      Outcome(of: error, launch: Launch(environment: ProcessInfo.processInfo.environment)).exitProcess()
    }
  }
}
