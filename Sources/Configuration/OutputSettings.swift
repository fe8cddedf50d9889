import Diffusion
import Settings

/// The `checkpoint` section.
public struct CheckpointSettings: Hashable, Sendable {
  /// 0 writes one only at the end.
  public let every: Int
  /// 0 keeps all.
  public let keep: Int
  /// 0 keeps none.
  public let keepEvery: Int
  /// Approximate size of a file of optimiser state.
  public let partBytes: Int
  /// How a run responds if a checkpoint cannot be written.
  public let onFailure: FailureResponse

  public enum FailureResponse: String, CaseIterable, Sendable {
    case stop
    case goOn = "continue"
  }

  init(_ reader: SettingsReader) throws {
    every = try reader.value(
      "every", default: 500, in: 0..., help: "steps between checkpoints; 0: only at the end")
    keep = try reader.value("keep", default: 3, in: 0..., help: "how many of the newest to keep; 0: all")
    keepEvery = try reader.value(
      "keep_every", default: 0, in: 0...,
      help: "those of steps that this divides are kept for ever; 0: none")
    partBytes = try reader.value(
      "part_bytes", default: 16 << 20, in: 1...,
      help: "about how large a file of optimiser state is; each is written by one rank")
    onFailure = try reader.choice(
      "on_failure", default: FailureResponse.stop,
      help: "stop, or continue with a warning when a checkpoint cannot be written; the last one must be")
  }
}

/// The `sampling` section.
public struct SamplingSettings: Hashable, Sendable {
  /// 0 disables it.
  public let every: Int
  public let count: Int
  /// Prompts for a text-conditioned model; empty uses captions of the dataset.
  public let prompts: [String]
  /// Sampler options; defaults if the task draws no samples.
  public let options: SamplingOptions

  /// - Parameter draws: whether the task draws samples. An autoencoder shows reconstructions, which need no sampler.
  init(_ reader: SettingsReader, draws: Bool) throws {
    every = try reader.value(
      "every", default: 1000, in: 0..., help: "steps between grids of samples; 0: never")
    count = try reader.value("count", default: 36, in: 1...10_000, help: "images in a grid")
    prompts = try reader.value(
      "prompts", default: [String](),
      help: "texts to draw; empty: captions of the dataset, if the model is told them")
    options = try SamplingOptions(draws ? reader : SettingsReader(.empty))
  }
}
