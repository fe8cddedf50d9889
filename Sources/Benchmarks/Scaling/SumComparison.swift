import Configuration
import Foundation
import MPI
import Settings
import Training

/// What the exact sum of gradients costs: steps as training makes them, and the same steps with a plain `MPI_Allreduce`
/// of all gradients after the backward pass in the place of reduce-scatter and all-gather, which moves as many bytes.
public struct SumComparison: Sendable {
  /// Of steps, in seconds.
  private let exchange: [Double]
  private let allReduce: [Double]
  private let ranks: Int
  private let microbatches: Int

  /// Steps of one kind that follow each other.
  private static let turn = 3

  /// Measures at least `steps` steps of both kinds, in turn. Collective.
  ///
  /// - Throws: `MicrobatchError`, `MPIError`.
  public init(
    _ configuration: TrainingConfiguration, imageShape: [Int], steps: Int, threads: Int,
    communicator: Communicator
  ) throws {
    let (exact, plain) = try communicator.agree {
      let benchmarks = try [TrainingStep.Sum.exchange, .allReduce].map {
        try StepBenchmark(
          configuration, imageShape: imageShape, threads: threads, communicator: communicator, sum: $0)
      }
      return (benchmarks[0], benchmarks[1])
    }
    var (exchange, allReduce): ([Double], [Double]) = ([], [])
    // Memory is touched for the first time.
    for benchmark in [exact, plain] { _ = try benchmark.seconds(steps: 1) }
    while exchange.count < steps {
      exchange += try exact.seconds(steps: Self.turn)
      allReduce += try plain.seconds(steps: Self.turn)
    }
    (self.exchange, self.allReduce) = (exchange, allReduce)
    (ranks, microbatches) = (communicator.size, configuration.training.microbatches)
  }

  /// By how much a step is longer, as a part of the plain one.
  private var cost: Double { exchange.median / allReduce.median - 1 }

  /// What scripts read.
  public var json: String {
    let node: SettingsNode = [
      "ranks": SettingsNode(ranks), "microbatches": SettingsNode(microbatches),
      "step_seconds": SettingsNode(exchange.median),
      "allreduce_step_seconds": SettingsNode(allReduce.median), "cost": SettingsNode(cost),
    ]
    return node.indentedJSON
  }

  /// What people read.
  public var text: String {
    func row(_ name: String, _ values: [Double]) -> String {
      String(
        format: "  %@%.4f s a step, the median of %ld from %.4f to %.4f\n",
        name.padding(toLength: 17, withPad: " ", startingAt: 0), values.median, values.count,
        values.min() ?? 0, values.max() ?? 0)
    }
    return "ranks: \(ranks), microbatches: \(microbatches)\n" + row("exact", exchange)
      + row("MPI_Allreduce", allReduce)
      + String(format: "  %@%+.1f%%\n", "cost".padding(toLength: 17, withPad: " ", startingAt: 0), 100 * cost)
  }
}
