import ArgumentParser
import RunReports

/// `oboro inspect`: describes the content of a path.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Show what a dataset, a shard, a checkpoint, a run, a configuration or a safetensors file holds.",
    discussion: """
      Of a configuration and of a checkpoint also the model: its layers with their tensors, and what they compute.

      oboro inspect data/fashion-mnist --verify
      oboro inspect configs/fashion-mnist.yaml
      oboro inspect runs/first --json
      """)

  @Argument(help: "The directory or file.")
  var path: String?

  @Option(help: ArgumentHelp("A configuration, which may be named as a path as well.", valueName: "file"))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "Height and width of the images that a model's arithmetic is counted for, such as 28x28.",
      valueName: "HxW"))
  var size: String?

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(
    help: ArgumentHelp(
      "Check every file.",
      discussion:
        "Reads all of a dataset, a checkpoint, or a run's checkpoints; anything damaged is an error."))
  var verify = false

  func validate() throws {
    guard (path == nil) != (config == nil) else {
      throw ValidationError("name one thing to inspect: a path, or a configuration with --config")
    }
    _ = try size.map(ImageSides.init)
  }

  func run() throws {
    let sides = try size.map(ImageSides.init).map { (height: $0.height, width: $0.width) }
    let description = try Inspection.describe(path ?? config ?? "", size: sides, verifying: verify)
    try print(json ? description.json : description.text, terminator: "")
  }
}
