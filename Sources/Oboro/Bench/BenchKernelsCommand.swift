import ArgumentParser
import Benchmarks
import Foundation

/// `oboro bench kernels`: checks and times kernels.
struct BenchKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Check the kernels of models against plain references, then time them.",
    discussion: """
      Each shape of convolution, linear layer, attention and normalisation that a model has is tried once, with the \
      batch of a micro-batch. Errors are relative, ‖fast - reference‖ / ‖reference‖; where the reference would take too long, both are \
      compared on a smaller image or batch. Then parallel loops of 1 to 64 threads are timed, whatever the cores.

      oboro bench kernels --config configs/benchmarks/annotated-28.yaml
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Configurations, YAML; if none are given, those in \(benchmarks), or the Fashion-MNIST recipe.",
      valueName: "file"))
  var config: [String] = []

  @OptionGroup var configurationOptions: MeasuredConfigurationOptions

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  private static let benchmarks = "configs/benchmarks"

  private var files: [String?] {
    if !config.isEmpty { return config }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: Self.benchmarks)) ?? []
    let files = names.filter { $0.hasSuffix(".yaml") }.sorted().map { "\(Self.benchmarks)/\($0)" }
    return files.isEmpty ? [nil] : files
  }

  func run() throws {
    let threads = try threadOptions.count(environment: ProcessInfo.processInfo.environment)
    let benchmark = KernelBenchmark(try files.map(configurationOptions.load), threads: threads)
    try print(json ? benchmark.json : benchmark.text, terminator: "")
  }
}
