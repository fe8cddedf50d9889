import ArgumentParser
import Files
import Interchange
import Optimization
import Reporting

/// `oboro average`: makes an average of a run's weights of another width than those it kept.
struct Average: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make an average of a run's weights of any width, after training.",
    discussion: """
      Of a run that kept averages of power profile (ema.profile: power), best of two widths, in checkpoints all along \
      the run (checkpoint.keep: 0). Writes a safetensors file, which oboro convert makes a checkpoint of.

      oboro average runs/first --width 0.08 --output averaged.safetensors
      """)

  @Argument(help: ArgumentHelp("A run directory.", valueName: "run"))
  var directory: String

  @Option(help: "The width as part of the run (sigma_rel): 0.01 to 0.28.")
  var width: Double

  @Option(help: "The step at whose end it is wanted, one that has a checkpoint. (default: the last)")
  var step: Int?

  @Option(help: ArgumentHelp("A safetensors file.", valueName: "file"))
  var output: String

  func validate() throws {
    guard width > 0, width <= PowerProfile.widest else {
      throw ValidationError("--width must be above 0 and at most 0.28, is \(width)")
    }
  }

  func run() throws {
    let console = Console()
    let average = try AverageReconstruction(run: directory, width: width, step: step) {
      console.print("oboro: passed over: \($0)")
    }
    try average.write(to: output)
    guard !WholeFile.isStandardOutput(output) else { return }
    try print(
      "\(output): of \(average.averages) averages in \(average.checkpoints) checkpoints up to step \(average.step)"
    )
  }
}
