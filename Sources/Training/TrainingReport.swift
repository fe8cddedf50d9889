import Foundation
import Reporting

/// What rank 0 tells of a run while it goes on: `metrics.jsonl`, and the progress bar.
final class TrainingReport {
  private let metrics: MetricsFile
  private let bar: ProgressBar
  private let logEvery: Int
  private var smoothedLoss: Float?

  /// - Throws: `FileError`, `MetricsError`.
  init(metricsPath: String, settings: TrainingSettings, startStep: Int, console: Console) throws {
    metrics = try MetricsFile(path: metricsPath, resumingAfter: startStep)
    bar = ProgressBar("train", total: settings.steps, completed: startStep, console: console)
    logEvery = settings.logEvery
  }

  /// - Throws: `FileError`.
  func step(_ step: StepMetrics) throws {
    if step.step % logEvery == 0 { try metrics.append(step) }
    let smoothed = smoothedLoss.map { $0 + 0.05 * (step.loss - $0) } ?? step.loss
    smoothedLoss = smoothed
    bar.update(
      step.step,
      fields: [
        String(format: "loss %.4f", smoothed), String(format: "%.0f images/s", step.imagesPerSecond),
      ])
  }

  func finish() { bar.finish() }
}
