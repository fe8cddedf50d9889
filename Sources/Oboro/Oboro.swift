import ArgumentParser
import Foundation
import Kernels

/// The command `oboro`: parses arguments, calls the modules, prints results.
@main
package struct OboroCommand: ParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "oboro",
    abstract: "Trains diffusion models on clusters of CPUs, data-parallel over MPI.",
    discussion: """
      oboro prepare fashion-mnist --output data/fashion-mnist
      oboro train --config configs/fashion-mnist.yaml --output runs/first
      oboro sample --checkpoint runs/first --output pictures --count 64
      oboro report runs/first

      On many machines: mpirun ... oboro train, or launch/run, which finds out how. To see what is missing: oboro doctor.
      """,
    version: "0.1.0",
    subcommands: subcommands)

  private static let subcommands: [any ParsableCommand.Type] = [
    Prepare.self, Encode.self, Train.self, Sample.self, Evaluate.self, Inspect.self, Convert.self,
    Average.self,
    Tokenize.self, Check.self, Compare.self, Bench.self, Doctor.self, Report.self, Manual.self,
  ]

  package init() {}

  /// Runs the command given by the process's arguments, and exits with the status of its outcome.
  package static func main() {
    Processor.restartWithBetterBLASKernels()
    StandardOutputError.occupyClosedDescriptors()
    // A write to a closed pipe should return an error.
    signal(SIGPIPE, SIG_IGN)
    // So should a write beyond the file size limit, like one to a full disk, instead of killing the process.
    signal(SIGXFSZ, SIG_IGN)
    let launch = Launch(environment: ProcessInfo.processInfo.environment)
    do {
      if let feature = Processor.missingFeature { throw ProcessorError(missingFeature: feature) }
      var command = try parseAsRoot(NegativeNumbers.joined(Array(CommandLine.arguments.dropFirst())))
      if launch.isFirst || command is any ParallelCommand { try command.run() }
    } catch {
      Outcome(of: error, arguments: Array(CommandLine.arguments.dropFirst()), launch: launch).exitProcess()
    }
  }
}

/// The build requires a processor feature that this machine lacks.
struct ProcessorError: Error, CustomStringConvertible, ExitStatusProviding {
  let missingFeature: String

  var description: String {
    "this program was built for a processor with \(missingFeature), which this machine lacks: build it here, or for "
      + "the oldest processor of the cluster (OBORO_MARCH=x86-64-v3 swift build -c release)"
  }
  var exitStatus: ExitStatus { .failure }
}
