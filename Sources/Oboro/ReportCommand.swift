import ArgumentParser
import Files
import Foundation
import RunReports

/// `oboro report`: writes a run's report as a web page.
struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a run as one page of HTML: curves, samples, waits, events, configuration.",
    discussion: """
      The page needs nothing else, neither a server nor a network, and can be sent to others. A run may go on meanwhile.

      oboro report runs/first
      oboro report runs/first --output first.html

      For TensorBoard there are event files in the run directory: tensorboard --logdir runs
      """)

  @Argument(help: ArgumentHelp("The run directory.", valueName: "rundir"))
  var directory: String

  @Option(help: ArgumentHelp("Where to write; if not given, RUNDIR/report.html.", valueName: "file"))
  var output: String?

  func run() throws {
    let path = output ?? "\(directory)/report.html"
    try WholeFile.write(Data(try RunReport(directory).html.utf8), to: path)
    if !WholeFile.isStandardOutput(path) { try print(path) }
  }
}
