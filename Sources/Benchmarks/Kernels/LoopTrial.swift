import Foundation
import Kernels
import Reporting
import Settings
import Tensors
import Training

/// The cost of parallel loops for a given number of threads, which may exceed the number of cores.
public struct LoopTrial: Sendable {
  public let threads: Int
  /// Seconds per loop whose tasks do nothing.
  public let emptySeconds: Double
  /// Seconds per loop whose tasks take about ten microseconds each.
  public let seconds: Double

  static let threadCounts = [1, 2, 4, 8, 16, 32, 64]
  /// Tasks per loop: as many as the largest number of threads.
  static let tasks = 64
  private static let loops = 500
  /// Multiply-adds per task, each of which depends on the previous one.
  private static let multiplyAdds = 10_000
  /// Floats per cache line; each task's result has a cache line to itself.
  private static let floats = 16

  static func run() -> [LoopTrial] {
    threadCounts.map { threads in
      let pool = ThreadPool(threadCount: threads)
      let results = ParameterBuffer(count: tasks * floats)
      return LoopTrial(
        threads: threads, emptySeconds: mean { pool.parallel(tasks) { _, _ in } },
        seconds: mean {
          pool.parallel(tasks) { task, _ in multiplyAndAdd(results.pointer + task * floats) }
        })
    }
  }

  /// The mean rather than the median: with more threads than cores, a few loops may take most of the time.
  private static func mean(of loop: () -> Void) -> Double {
    for _ in 0..<loops / 10 { loop() }
    let watch = Stopwatch()
    for _ in 0..<loops { loop() }
    return watch.seconds / Double(loops)
  }

  private static func multiplyAndAdd(_ result: UnsafeMutablePointer<Float>) {
    var sum = result.pointee
    for _ in 0..<multiplyAdds { sum = Float(0.001).addingProduct(sum, 0.999) }
    result.pointee = sum
  }

  /// Machine-readable form, for scripts.
  var node: SettingsNode {
    [
      "threads": SettingsNode(threads), "tasks": SettingsNode(Self.tasks),
      "empty_seconds": SettingsNode(emptySeconds), "seconds": SettingsNode(seconds),
    ]
  }

  /// Human-readable table.
  static func text(_ trials: [LoopTrial]) -> String {
    var table = TextTable(["threads", "us an empty loop", "us a loop", "x one thread"], textColumns: 0)
    let alone = trials.first { $0.threads == 1 }?.seconds
    for trial in trials {
      table.add([
        "\(trial.threads)", String(format: "%.2f", 1e6 * trial.emptySeconds),
        String(format: "%.1f", 1e6 * trial.seconds),
        alone.map { String(format: "%.2f", $0 / trial.seconds) } ?? "",
      ])
    }
    return "Parallel loops of \(tasks) tasks, of threads that \(ThreadPool.availableCores) cores share:\n"
      + table.text
  }
}
