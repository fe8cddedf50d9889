import Settings

/// The section `dataset`.
public struct DatasetSettings: Hashable, Sendable {
  /// The directory of the dataset, absolute or relative to where the command runs.
  public let path: String
  public let flipsHorizontally: Bool

  init(_ reader: SettingsReader) throws {
    path = try reader.required(
      "path", as: String.self, help: "directory of a dataset that oboro prepare made")
    flipsHorizontally = try reader.value(
      "horizontal_flip", default: false, help: "mirror every other image, at random")
  }
}
