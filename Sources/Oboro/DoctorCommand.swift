import ArgumentParser
import Diagnosis
import Foundation
import MPI

/// `oboro doctor`: reports what this machine, or under mpirun all machines, offer and lack for training.
struct Doctor: ParallelCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what this machine, or under mpirun all machines, offer and lack for training.",
    discussion: """
      Looks at MPI, OpenBLAS, HDF5, processors and cores, memory, networks, clocks, and whether all ranks run the same \
      program; with --config also at the configuration and its dataset as each rank sees them, with --output at the \
      place of the run. What needs attention is marked, with what to do. Exit status 1 if something stands in the way.

      oboro doctor
      launch/run --hosts a,b doctor --config configs/fashion-mnist.yaml --output runs/first
      """)

  @Option(
    help: ArgumentHelp(
      "A configuration, YAML: is it, and its dataset, the same everywhere?", valueName: "file"))
  var config: String?

  @Option(
    help: ArgumentHelp("Another value for a key, such as training.microbatches=4.", valueName: "key=value"))
  var set: [String] = []

  @Option(
    help: ArgumentHelp("The run directory, new or old: can it be written to, and how fast?", valueName: "dir")
  )
  var output: String?

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if config == nil && !set.isEmpty { throw ValidationError("--set needs --config") }
  }

  func run() throws {
    try runSession { session, environment in
      let world = session.world
      let threads = try world.agree { try threadOptions.count(environment: environment) }
      let examination = try SystemCheck(
        .init(configuration: config, overrides: set, output: output), threads: threads,
        environment: environment, session: session)
      if world.rank == 0 { try print(json ? try examination.json : examination.text, terminator: "") }
      return examination.isGood ? .done : .failure
    }
  }
}
