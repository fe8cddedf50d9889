import Checkpoints
import Configuration
import Files
import Foundation
import Logging
import Reporting

/// Reports a run's progress on rank 0: `metrics.jsonl`, TensorBoard event files, and the progress bar.
final class TrainingReport {
  private let metrics: MetricsFile
  private let bar: ProgressBar
  private let logEvery: Int
  private let directory: RunDirectory
  private let configuration: TrainingConfiguration
  private let startStep: Int
  /// FLOPs of a training step per image, as defined by the operations; fast convolution algorithms need fewer.
  private let flopsPerImage: Int
  private var events: EventFile?
  private var smoothed: Smoothed?

  /// Values shown in the progress bar, averaged over roughly the last twenty steps.
  private struct Smoothed {
    var loss: Double
    var seconds: Double
    var waitSeconds: Double

    mutating func follow(_ step: StepMetrics) {
      loss += 0.05 * (Double(step.loss) - loss)
      seconds += 0.05 * (step.seconds - seconds)
      waitSeconds += 0.05 * (step.dataWaitSeconds + step.communicationWaitSeconds - waitSeconds)
    }
  }
  private let goesOnAfterFailure: Bool
  private let log: Logger
  private var haveEventsFailed = false
  /// Lines that could not be written yet, for lack of space.
  private var unwritten: [StepMetrics] = []
  /// The error that prevented writing; nil when all lines are written.
  private(set) var failure: FileError?

  /// - Parameter goesOnAfterFailure: whether a line that cannot be written is tried again with the next.
  /// - Throws: `FileError`, `MetricsError`.
  init(
    _ directory: RunDirectory, configuration: TrainingConfiguration, startStep: Int,
    flopsPerImage: Int, console: Console, log: Logger
  ) throws {
    self.log = log
    self.directory = directory
    self.configuration = configuration
    self.startStep = startStep
    self.flopsPerImage = flopsPerImage
    metrics = try MetricsFile(path: directory.metrics, resumingAfter: startStep)
    if let damage = metrics.removedDamage {
      log.warning("damaged metrics removed, of steps that are done again", metadata: ["reason": "\(damage)"])
    }
    bar = ProgressBar("train", total: configuration.training.steps, completed: startStep, console: console)
    logEvery = configuration.training.logEvery
    goesOnAfterFailure = configuration.checkpoint.onFailure == .goOn
  }

  /// - Throws: `FileError`.
  func step(_ step: StepMetrics) throws {
    if step.step % logEvery == 0 || step.validationLoss != nil {
      try append(step)
      if let loss = step.validationLoss {
        tellEvents { try $0.add([("validation/loss", loss)], step: step.step) }
      }
      tellEvents {
        try $0.add(
          step.parts.map { ("loss/\($0.name)", $0.value) } + [
            ("loss", step.loss), ("gradient_norm", step.gradientNorm),
            ("learning_rate", Float(step.learningRate)),
            ("speed/images_per_second", Float(step.imagesPerSecond)),
            ("speed/step_seconds", Float(step.seconds)),
            ("waits/data_seconds", Float(step.dataWaitSeconds)),
            ("waits/communication_seconds", Float(step.communicationWaitSeconds)),
          ], step: step.step)
      }
    }
    var now =
      smoothed
      ?? Smoothed(
        loss: Double(step.loss), seconds: step.seconds,
        waitSeconds: step.dataWaitSeconds + step.communicationWaitSeconds)
    now.follow(step)
    smoothed = now
    let imagesPerSecond = Double(configuration.training.batchSize) / now.seconds
    let fields = [
      String(format: "loss %.4f", now.loss),
      String(format: imagesPerSecond < 10 ? "%.2f images/s" : "%.0f images/s", imagesPerSecond),
      String(format: "%.0f GFLOP/s", imagesPerSecond * Double(flopsPerImage) * 1e-9),
      String(format: "waits %.0f%%", 100 * now.waitSeconds / now.seconds),
    ]
    bar.update(step.step, fields: fields)
  }

  /// Adds a grid of samples that was written to `path`.
  func samples(_ path: String, step: Int) {
    tellEvents { try $0.add("samples", png: try WholeFile.read(path), step: step) }
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

  /// Adds to the event file; failures are logged, not thrown, since training can continue without it.
  private func tellEvents(_ body: (EventFile) throws -> Void) {
    do {
      try body(try openedEvents())
    } catch {
      if !haveEventsFailed {
        log.warning("the run goes on without what TensorBoard reads", metadata: ["reason": "\(error)"])
      }
      haveEventsFailed = true
    }
  }

  /// Opens the event file at first use, so that a run with nothing left to do creates none.
  private func openedEvents() throws -> EventFile {
    if let events { return events }
    let file = try EventFile(folder: directory.events, resumingAfter: startStep)
    // Markdown renders text indented by four spaces verbatim.
    let yaml = configuration.commentedYAML.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
    try file.add("configuration", text: yaml, step: startStep)
    events = file
    return file
  }
}
