import ArgumentParser
import Files
import Foundation
import MPI
import Reporting
import Training

/// `oboro train`: starts a run, or resumes it where it stopped.
struct Train: ParallelCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a model, on one process or on all ranks of mpirun.",
    discussion: """
      Started again with the same output, it goes on from the newest good checkpoint, on any number of ranks. Ctrl-C, \
      SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2 to any rank saves a checkpoint and stops all, with exit status 75; a second Ctrl-C \
      stops at once. Stop mpirun itself by kill -USR1: after Ctrl-C it leaves its ranks one second only.

      oboro train --config configs/fashion-mnist.yaml --output runs/first
      mpirun -n 4 oboro train --config configs/fashion-mnist.yaml --output runs/first --set training.steps=10000
      """)

  @Option(help: ArgumentHelp("The configuration, YAML.", valueName: "file"))
  var config: String

  @Option(help: ArgumentHelp("The run directory, new or of the run to go on with.", valueName: "dir"))
  var output: String

  @Option(help: ArgumentHelp("Another value for a key, such as training.steps=60.", valueName: "key=value"))
  var set: [String] = []

  @Flag(
    help: ArgumentHelp(
      "Go on with a run although the configuration differs from its own.",
      discussion:
        "More steps, and all else that changes no number, need no permission. Each difference is logged."))
  var allowChanges = false

  @Flag(help: "Go on with a run although the dataset holds other images than those that it was trained on.")
  var allowOtherDataset = false

  @Option(
    help: ArgumentHelp(
      "Write what each rank did in the first \(TrainingTrace.steps) steps, for trace viewers such as ui.perfetto.dev.",
      valueName: "file"))
  var trace: String?

  @OptionGroup var threadOptions: ThreadOptions

  func run() throws {
    let console = Console()
    // Before MPI starts, which takes time: a batch system may request a stop at any moment.
    let stopRequest = StopRequest()
    try runSession { session, environment in
      let start = Trainer.Start(
        configurationFile: config, overrides: set, output: output, allowsChanges: allowChanges,
        allowsOtherDataset: allowOtherDataset,
        threads: try session.world.agree { try threadOptions.count(environment: environment) }, trace: trace)
      let trainer = try Trainer(
        start, communicator: session.world, console: console, stopRequest: stopRequest)
      let ending = try trainer.train()
      guard session.world.rank == 0 else { return ending.exitStatus }
      switch ending {
      case .finished:
        console.print("oboro: done; \(trainer.configuration.use(ofRunAt: output))")
      case .stopped(let reason):
        console.print(
          "oboro: stopped by \(reason) after step \(trainer.state.step); the same command goes on")
      }
      return ending.exitStatus
    }
  }
}

extension Trainer.Ending {
  fileprivate var exitStatus: ExitStatus {
    switch self {
    case .finished: .done
    case .stopped: .stopped
    }
  }
}
