import Settings

/// The section `checkpoint`.
public struct CheckpointSettings: Hashable, Sendable {
  /// 0: only at the end.
  public let every: Int
  /// 0: all.
  public let keep: Int

  init(_ reader: SettingsReader) throws {
    every = try reader.value(
      "every", default: 500, in: 0..., help: "steps between checkpoints; 0: only at the end")
    keep = try reader.value("keep", default: 3, in: 0..., help: "how many of the newest to keep; 0: all")
  }
}

/// The section `sampling`.
public struct SamplingSettings: Hashable, Sendable {
  /// 0: never.
  public let every: Int
  public let count: Int

  init(_ reader: SettingsReader) throws {
    every = try reader.value(
      "every", default: 1000, in: 0..., help: "steps between grids of samples; 0: never")
    count = try reader.value("count", default: 36, in: 1...10_000, help: "images in a grid")
  }
}
