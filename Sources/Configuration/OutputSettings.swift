import Diffusion
import Settings

/// The section `checkpoint`.
public struct CheckpointSettings: Hashable, Sendable {
  /// 0: only at the end.
  public let every: Int
  /// 0: all.
  public let keep: Int
  /// 0: none.
  public let keepEvery: Int
  /// About how large a file of the optimiser's state becomes.
  public let partBytes: Int
  /// What becomes of a run that cannot write a checkpoint.
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

/// The section `sampling`.
public struct SamplingSettings: Hashable, Sendable {
  /// 0: never.
  public let every: Int
  public let count: Int
  /// What they are of, for a model that is told texts; empty: of captions of the dataset.
  public let prompts: [String]
  /// How they are drawn; the defaults where none are.
  public let options: SamplingOptions

  /// - Parameter kind: what is trained. An autoencoder shows reconstructions, which no sampler draws.
  init(_ reader: SettingsReader, of kind: TaskSettings.Kind) throws {
    every = try reader.value(
      "every", default: 1000, in: 0..., help: "steps between grids of samples; 0: never")
    count = try reader.value("count", default: 36, in: 1...10_000, help: "images in a grid")
    prompts = try reader.value(
      "prompts", default: [String](),
      help: "texts to draw; empty: captions of the dataset, if the model is told them")
    options = try SamplingOptions(kind == .diffusion ? reader : SettingsReader(.empty))
  }
}
