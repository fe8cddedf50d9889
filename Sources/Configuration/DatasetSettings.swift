import Settings

/// The `dataset` section.
public struct DatasetSettings: Hashable, Sendable {
  /// The directory of the dataset, absolute or relative to the working directory.
  public let path: String
  public let flipsHorizontally: Bool
  /// Whether every shard's digest is checked before training starts.
  public let isVerified: Bool
  /// The directory of the held-out dataset; empty if there is none.
  public let validationPath: String

  init(_ reader: SettingsReader) throws {
    path = try reader.required(
      "path", as: String.self, help: "directory of a dataset that oboro prepare made")
    flipsHorizontally = try reader.value(
      "horizontal_flip", default: false, help: "mirror every other image, at random")
    isVerified = try reader.value(
      "verify", default: false, help: "read all files before training, to see that none was altered")
    validationPath = try reader.value(
      "validation_path", default: "", help: "directory of held-out samples, for the validation loss")
  }
}
