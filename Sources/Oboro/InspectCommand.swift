import ArgumentParser
import Training

/// `oboro inspect`: says what a path holds.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a dataset, a shard, a checkpoint, a run directory or a configuration holds.")

  @Argument(help: "The directory or file.")
  var path: String

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(
    help: ArgumentHelp(
      "Check every file.",
      discussion:
        "Reads all of a dataset, a checkpoint, or a run's checkpoints; anything damaged is an error."))
  var verify = false

  func run() throws {
    let description = try Inspection.describe(path, verifying: verify)
    print(json ? description.indentedJSON : description.yaml(), terminator: "")
  }
}
