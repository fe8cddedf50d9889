import Configuration
import Foundation
import MPI
import Settings
import Training

/// Measures the cost of the exact gradient sum: compares training steps with the same steps using a plain
/// `MPI_Allreduce` of all gradients after the backward pass instead of reduce-scatter and all-gather, which moves as
/// many bytes.
public struct SumComparison: Sendable {
  /// Seconds of each step.
  private let exchange: [Double]
  private let allReduce: [Double]
  private let ranks: Int
  private let microbatches: Int

  /// Number of consecutive steps of the same kind.
  private static let turn = 3

  /// Measures at least `steps` steps of each kind, alternately. Collective.
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
    // Touch memory for the first time.
    for benchmark in [exact, plain] { _ = try benchmark.seconds(steps: 1) }
    while exchange.count < steps {
      exchange += try exact.seconds(steps: Self.turn)
      allReduce += try plain.seconds(steps: Self.turn)
    }
    (self.exchange, self.allReduce) = (exchange, allReduce)
    (ranks, microbatches) = (communicator.size, configuration.training.microbatches)
  }

  /// The relative increase in step time over the plain sum.
  private var cost: Double { exchange.median / allReduce.median - 1 }

  /// Machine-readable form, for scripts.
  public var json: String {
    let node: SettingsNode = [
      "ranks": SettingsNode(ranks), "microbatches": SettingsNode(microbatches),
      "step_seconds": SettingsNode(exchange.median),
      "allreduce_step_seconds": SettingsNode(allReduce.median), "cost": SettingsNode(cost),
    ]
    return node.indentedJSON
  }

  /// Human-readable table.
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
