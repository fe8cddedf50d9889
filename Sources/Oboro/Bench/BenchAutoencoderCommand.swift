import ArgumentParser
import Benchmarks
import Foundation

/// `oboro bench autoencoder`: times the halves of an autoencoder.
struct BenchAutoencoder: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "autoencoder",
    abstract: "Time how an autoencoder encodes and decodes an image, with random weights.",
    discussion: """
      One image at a time, as oboro encode and oboro sample do. No dataset is needed and nothing is written.

      oboro bench autoencoder --config configs/benchmarks/stable-diffusion-1-autoencoder.yaml --size 512x512
      """)

  @Option(help: ArgumentHelp("The configuration, YAML, of an autoencoder.", valueName: "file"))
  var config: String

  @OptionGroup var configurationOptions: MeasuredConfigurationOptions

  @Option(help: ArgumentHelp("One of the halves: encode or decode; its peak memory is then its own."))
  var only: AutoencoderBenchmark.Pass?

  @Option(help: "Passes to time, after one that does not count.")
  var steps = 3

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if !(1...100_000).contains(steps) { throw ValidationError("--steps must be 1 to 100000, is \(steps)") }
  }

  func run() throws {
    let (configuration, shape) = try configurationOptions.load(config)
    let threads = try threadOptions.count(environment: ProcessInfo.processInfo.environment)
    let result = try AutoencoderBenchmark(configuration, imageShape: shape, threads: threads)
      .run(only.map { [$0] } ?? AutoencoderBenchmark.Pass.allCases, count: steps)
    try print(json ? result.json : result.text, terminator: "")
  }
}

extension AutoencoderBenchmark.Pass: ExpressibleByArgument {}
