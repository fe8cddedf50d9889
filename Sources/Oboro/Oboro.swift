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
    // A file that grows beyond the process's limit is an error of writing, like a full disk: not a reason to die.
    signal(SIGXFSZ, SIG_IGN)
    let launch = Launch(environment: ProcessInfo.processInfo.environment)
    do {
      var command = try parseAsRoot()
      if launch.isFirst || command is any ParallelCommand { try command.run() }
    } catch {
      Outcome(of: error, launch: launch).exitProcess()
    }
  }
}

/// A command whose work the ranks of a launcher share. Any other is done by the first rank alone.
protocol ParallelCommand: ParsableCommand {}
