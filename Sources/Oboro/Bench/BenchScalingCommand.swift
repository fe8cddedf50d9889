import ArgumentParser
import Benchmarks
import Foundation
import MPI

/// `oboro bench scaling`: predicts the time of a step on many ranks.
struct BenchScaling: ParallelCommand {
  static let configuration = CommandConfiguration(
    commandName: "scaling",
    abstract: "Predict steps on many ranks from a step on this one.",
    discussion: """
      The step of one rank is measured; each of many ranks would have the same images. What their links do to it is \
      computed: Docs/Scaling.md has the formula and how far it can be trusted. oboro bench allreduce measures a link.

      oboro bench scaling --config configs/benchmarks/annotated-32.yaml
      """)

  @Option(
    help: ArgumentHelp("The configuration, YAML; if not given, the Fashion-MNIST recipe.", valueName: "file"))
  var config: String?

  @OptionGroup var configurationOptions: MeasuredConfigurationOptions

  @Option(help: "Steps to time, after some that do not count.")
  var steps = 5

  @Option(parsing: .upToNextOption, help: "Links to predict for, in Gbit/s.")
  var gigabits: [Double] = [10, 100, 400]

  @Option(parsing: .upToNextOption, help: "Numbers of ranks to predict for.")
  var ranks: [Int] = [64, 512, 4096]

  @Option(help: "Latency of an exchange, in microseconds.")
  var latency = 30.0

  @Option(help: "The part of a link's bits that carries gradients.")
  var linkEfficiency = 0.85

  @Option(help: "The part of a pass behind which communication hides.")
  var hiding = 0.6

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if !(1...100_000).contains(steps) { throw ValidationError("--steps must be 1 to 100000, is \(steps)") }
    for value in gigabits where !(value > 0) {
      throw ValidationError("--gigabits must be above 0, is \(value)")
    }
    for value in ranks where !(2...1 << 24).contains(value) {
      throw ValidationError("--ranks must be 2 to \(1 << 24), is \(value)")
    }
    if !(latency >= 0) { throw ValidationError("--latency must be 0 or more, is \(latency)") }
    for (name, value) in [("link-efficiency", linkEfficiency), ("hiding", hiding)]
    where !(value > 0 && value <= 1) {
      throw ValidationError("--\(name) must be above 0 and at most 1, is \(value)")
    }
  }

  func run() throws {
    try runSession { session, environment in
      let world = session.world
      let benchmark = try world.agree {
        guard world.size == 1 else {
          throw ValidationError("bench scaling measures one rank: start it without mpirun")
        }
        let (configuration, shape) = try configurationOptions.load(config)
        return try StepBenchmark(
          configuration, imageShape: shape, threads: threadOptions.count(environment: environment),
          communicator: world, isOneOfMany: true)
      }
      let links = gigabits.map {
        (name: $0, link: LinkModel(latency: latency * 1e-6, bandwidth: $0 * 1e9 / 8 * linkEfficiency))
      }
      let prediction = ScalingPrediction(
        try benchmark.run(steps: steps, isProfiled: true), steps: steps,
        bucketBytes: benchmark.configuration.training.bucketBytes, links: links, ranks: ranks, hiding: hiding)
      try print(json ? prediction.json : prediction.text, terminator: "")
      return .done
    }
  }
}
