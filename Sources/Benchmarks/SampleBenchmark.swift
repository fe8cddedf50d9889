import Configuration
import Diffusion
import Foundation
import Generation
import Models
import Reporting
import Settings
import Tensors

/// Times the evaluations of a denoiser that sampling makes, on random weights and from noise. Reads and writes no files.
public struct SampleBenchmark {
  private let sampling: ImageSampling
  private let count: Int
  private let threads: Int

  /// - Parameters:
  ///   - imageShape: [H, W, C] of what the model draws.
  ///   - count: the images that are drawn together.
  /// - Throws: `ModelError`, `SamplingError`.
  public init(_ configuration: TrainingConfiguration, imageShape: [Int], count: Int, threads: Int) throws {
    precondition(count > 0, "\(count) images")
    let model = try configuration.requireDiffusion().model
    let prompts = model.contextWidth.map { width in
      let context = RandomContext(width: width)
      return SamplePrompts(
        [""], negative: "", contexts: [context.values, context.values], shape: context.shape)
    }
    let plan = try configuration.samplingPlan()
    let conditions = SampleConditions(prompts: prompts)
    try conditions.check(model, guidance: plan.guidance.scale)
    sampling = ImageSampling(
      model: model, sampler: SamplingLoop(plan, seed: configuration.training.seed),
      weights: model.parameters.initialWeights(seed: configuration.training.seed),
      precision: configuration.training.precision, shape: imageShape, conditions: conditions,
      engine: Engine(threadCount: threads))
    self.count = count
    self.threads = threads
  }

  /// Draws the images once.
  public func run() -> SampleMeasurement {
    var seconds: [Double] = []
    var watch = Stopwatch()
    let whole = Stopwatch()
    _ = sampling.images(0..<count) { _, _, _ in
      seconds.append(watch.seconds)
      watch = Stopwatch()
    }
    return SampleMeasurement(
      evaluationSeconds: seconds, imageSeconds: whole.seconds / Double(count), images: count,
      evaluations: sampling.steps, threads: threads,
      peakResidentBytes: ProcessMemory.peakResidentBytes)
  }
}

/// What a ``SampleBenchmark`` measured.
public struct SampleMeasurement {
  /// Of each evaluation of the network for all images of a pass; a guided one is two passes through the network.
  public let evaluationSeconds: [Double]
  public let imageSeconds: Double
  public let images: Int
  /// Evaluations for each image.
  public let evaluations: Int
  public let threads: Int
  public let peakResidentBytes: Int

  /// Machine-readable form, for scripts.
  public var json: String {
    let node: SettingsNode = [
      "seconds_per_evaluation": SettingsNode(evaluationSeconds.median),
      "seconds_per_image": SettingsNode(imageSeconds),
      "images": SettingsNode(images),
      "evaluations": SettingsNode(evaluations),
      "threads": SettingsNode(threads),
      "peak_resident_bytes": SettingsNode(peakResidentBytes),
    ]
    return node.indentedJSON
  }

  /// Human-readable table.
  public var text: String {
    let rows = [
      ("seconds an evaluation", String(format: "%.4f, the median", evaluationSeconds.median)),
      ("seconds an image", String(format: "%.4f, with %ld evaluations", imageSeconds, evaluations)),
      ("images together", "\(images)"),
      ("peak memory", String(format: "%.0f MB", Double(peakResidentBytes) * 1e-6)),
    ]
    return rows.map { name, value in
      name.padding(toLength: 24, withPad: " ", startingAt: 0) + value + "\n"
    }.joined()
  }
}
