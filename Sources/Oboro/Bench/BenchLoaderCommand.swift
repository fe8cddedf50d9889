import ArgumentParser
import Benchmarks

/// `oboro bench loader`: times reading images from a dataset.
struct BenchLoader: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loader",
    abstract: "Measure how fast training can read a dataset.",
    discussion: """
      Batches are read as in training: in random order, mirrored and converted, on one thread. What the system has in \
      memory already is read faster than what it must fetch: run it twice to see both.
      """)

  @Option(help: ArgumentHelp("The dataset.", valueName: "dir"))
  var dataset: String

  @Option(help: "Images of a batch.")
  var batch = 128

  @Option(help: "How many batches to read.")
  var steps = 1000

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    for (option, value) in [("batch", batch), ("steps", steps)] where !(1...1 << 24).contains(value) {
      throw ValidationError("--\(option) must be 1 to \(1 << 24), is \(value)")
    }
  }

  func run() throws {
    let benchmark = try LoaderBenchmark(directory: dataset, batchSize: batch, batchCount: steps)
    try print(json ? benchmark.json : benchmark.text, terminator: "")
  }
}
