import ArgumentParser
import RunReports

/// `oboro compare`: checks whether runs are identical bit for bit.
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare runs bit for bit: losses, and all tensors of the newest checkpoints.",
    discussion: """
      Runs of one configuration are the same on any number of ranks that is a power of two, with any number of threads, \
      stopped and resumed or not. Exit status 1 says that one differs from the first.

      oboro compare runs/alone runs/cluster
      """)

  @Argument(help: ArgumentHelp("The run to compare with, and those to compare.", valueName: "run"))
  var runs: [String]

  func validate() throws {
    if runs.count < 2 { throw ValidationError("name at least two runs to compare") }
  }

  func run() throws {
    var allSame = true
    for run in runs.dropFirst() {
      let comparison = try RunComparison(runs[0], run)
      allSame = allSame && comparison.isSame
      let compared = "steps: \(comparison.steps), tensors: \(comparison.tensors)"
      try print(comparison.isSame ? "\(run): the same (\(compared))" : "\(run): differs (\(compared))")
      for difference in comparison.differences.prefix(Self.listed) { try print("  \(difference)") }
      let more = comparison.differences.count - Self.listed
      if more > 0 { try print("  and \(more) more") }
    }
    if !allSame { throw ExitCode(ExitStatus.failure.rawValue) }
  }

  /// The maximum number of differences listed.
  private static let listed = 5
}
