import ArgumentParser
import Benchmarks
import Foundation

/// `oboro bench sample`: times image sampling.
struct BenchSample: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample",
    abstract: "Time the evaluations of a model that sampling makes, with random weights.",
    discussion: """
      Draws images once, from noise, with sampler, steps and guidance of the configuration. No dataset and no checkpoint \
      is needed and nothing is written.

      oboro bench sample --config configs/benchmarks/dit-28.yaml --set sampling.steps=50 --count 16 --json
      """)

  @Option(
    help: ArgumentHelp("The configuration, YAML; if not given, the Fashion-MNIST recipe.", valueName: "file"))
  var config: String?

  @OptionGroup var configurationOptions: MeasuredConfigurationOptions

  @Option(help: "Images to draw together.")
  var count = 8

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if !(1...100_000).contains(count) { throw ValidationError("--count must be 1 to 100000, is \(count)") }
  }

  func run() throws {
    let (configuration, shape) = try configurationOptions.load(config)
    let threads = try threadOptions.count(environment: ProcessInfo.processInfo.environment)
    let result = try SampleBenchmark(configuration, imageShape: shape, count: count, threads: threads).run()
    try print(json ? result.json : result.text, terminator: "")
  }
}
