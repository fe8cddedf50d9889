import ArgumentParser
import Benchmarks
import Foundation
import MPI
import Settings
import Training

/// `oboro bench step`: times training steps.
struct BenchStep: ParallelCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Time training steps of a configuration, on images of noise.",
    discussion: """
      A step is what oboro train computes: forward and backward pass, the sum over all ranks, and the update. No \
      dataset is needed and nothing is written.

      oboro bench step --config configs/benchmarks/annotated-28.yaml --profile
      mpirun -n 2 oboro bench step --config configs/benchmarks/annotated-28.yaml --threads 1 --json
      mpirun -n 2 oboro bench step --threads 1 --set training.microbatches=2 --beside-allreduce
      """)

  @Option(
    help: ArgumentHelp("The configuration, YAML; if not given, the Fashion-MNIST recipe.", valueName: "file"))
  var config: String?

  @OptionGroup var configurationOptions: MeasuredConfigurationOptions

  @Option(help: "Steps to time, after some that do not count.")
  var steps = 10

  @Flag(help: "Show where the time goes, by operation (of the first rank).")
  var profile = false

  @Option(
    help: ArgumentHelp(
      "Write what each rank did when, for trace viewers such as ui.perfetto.dev.", valueName: "file"))
  var trace: String?

  @Flag(help: "Time the same steps with a plain MPI_Allreduce of the gradients too, in turn.")
  var besideAllreduce = false

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if !(1...100_000).contains(steps) { throw ValidationError("--steps must be 1 to 100000, is \(steps)") }
    if profile && json { throw ValidationError("--profile makes no sense with --json; --trace has more") }
    if besideAllreduce && (profile || trace != nil) {
      throw ValidationError("--beside-allreduce has no --profile or --trace")
    }
  }

  func run() throws {
    try runSession { session, environment in
      let world = session.world
      let (configuration, shape, threads) = try world.agree {
        let (configuration, shape) = try configurationOptions.load(config)
        return (configuration, shape, try threadOptions.count(environment: environment))
      }
      if besideAllreduce {
        let comparison = try SumComparison(
          configuration, imageShape: shape, steps: steps, threads: threads, communicator: world)
        if world.rank == 0 { try print(json ? comparison.json : comparison.text, terminator: "") }
        return .done
      }
      let benchmark = try world.agree {
        try StepBenchmark(configuration, imageShape: shape, threads: threads, communicator: world)
      }
      let result = try benchmark.run(steps: steps, isProfiled: profile || trace != nil)
      if let trace, let profile = result.profile { try StepTrace.write(profile, to: trace, on: world) }
      if world.rank == 0 { try print(json ? result.json : text(benchmark, result), terminator: "") }
      return .done
    }
  }

  private func text(_ benchmark: StepBenchmark, _ result: StepMeasurement) -> String {
    let shape = benchmark.imageShape.map(String.init).joined(separator: "x")
    let training = benchmark.configuration.training
    let head =
      "\(config ?? MeasuredConfigurationOptions.recipeName): \(training.batchSize) images of \(shape) a step, microbatches: \(training.microbatches), "
      + "ranks: \(result.ranks), threads of each: \(result.threads)\n"
    let table = profile ? result.profile.map { "\n" + $0.table(steps: steps) } : nil
    return head + result.text + (table ?? "")
  }
}
