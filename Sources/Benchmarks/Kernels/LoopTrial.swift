import Foundation
import Kernels
import Reporting
import Settings
import Tensors
import Training

/// What parallel loops cost on some number of threads, whether there are cores for all of them or not.
public struct LoopTrial: Sendable {
  public let threads: Int
  /// Of a loop whose tasks do nothing.
  public let emptySeconds: Double
  /// Of a loop whose tasks take some ten microseconds each.
  public let seconds: Double

  static let threadCounts = [1, 2, 4, 8, 16, 32, 64]
  /// Of each loop: as many as the most threads.
  static let tasks = 64
  private static let loops = 500
  /// Multiply-adds of a task, each of which waits for the one before.
  private static let multiplyAdds = 10_000
  /// The line of the cache that a task has for its result.
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

  /// The mean, not the median: where threads outnumber the cores, few loops may take most of the time.
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

  /// What scripts read.
  var node: SettingsNode {
    [
      "threads": SettingsNode(threads), "tasks": SettingsNode(Self.tasks),
      "empty_seconds": SettingsNode(emptySeconds), "seconds": SettingsNode(seconds),
    ]
  }

  /// What people read.
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
