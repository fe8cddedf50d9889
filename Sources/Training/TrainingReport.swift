import Files
import Foundation
import Reporting

/// What rank 0 tells of a run while it goes on: `metrics.jsonl`, and the progress bar.
final class TrainingReport {
  private let metrics: MetricsFile
  private let bar: ProgressBar
  private let logEvery: Int
  private let goesOnAfterFailure: Bool
  private var smoothedLoss: Float?
  /// What found no room yet.
  private var unwritten: [StepMetrics] = []
  /// Why; nil when all is written.
  private(set) var failure: FileError?

  /// - Parameter goesOnAfterFailure: whether a line that cannot be written is tried again with the next.
  /// - Throws: `FileError`, `MetricsError`.
  init(
    metricsPath: String, settings: TrainingSettings, startStep: Int, goesOnAfterFailure: Bool,
    console: Console
  ) throws {
    metrics = try MetricsFile(path: metricsPath, resumingAfter: startStep)
    bar = ProgressBar("train", total: settings.steps, completed: startStep, console: console)
    logEvery = settings.logEvery
    self.goesOnAfterFailure = goesOnAfterFailure
  }

  /// - Throws: `FileError`.
  func step(_ step: StepMetrics) throws {
    if step.step % logEvery == 0 { try append(step) }
    let smoothed = smoothedLoss.map { $0 + 0.05 * (step.loss - $0) } ?? step.loss
    smoothedLoss = smoothed
    bar.update(
      step.step,
      fields: [
        String(format: "loss %.4f", smoothed), String(format: "%.0f images/s", step.imagesPerSecond),
      ])
  }

  private func append(_ step: StepMetrics) throws {
    unwritten.append(step)
    do {
      while let next = unwritten.first {
        try metrics.append(next)
        unwritten.removeFirst()
      }
      failure = nil
    } catch let error as FileError where goesOnAfterFailure {
      failure = error
    }
  }

  func finish() { bar.finish() }
}
