import ArgumentParser
import Configuration
import Interchange
import Settings

/// Overrides of a configuration to measure, and the size of its images.
struct MeasuredConfigurationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Another value for a key, such as training.microbatches=4.", valueName: "key=value"))
  var set: [String] = []

  @Option(
    help: ArgumentHelp(
      "The images' height and width, such as 28x28.",
      discussion: """
        If not given: the size that the model is made for, that of the dataset if it is there, the side that the \
        configuration's name ends with, or 32x32.
        """,
      valueName: "HxW"))
  var size: String?

  /// The default configuration: the model of the Fashion-MNIST recipe.
  private static let recipe: SettingsNode = [
    "model": ["kind": "annotated-unet", "dim": 28, "dim_mults": [1, 2, 4], "channels": 1]
  ]
  static let recipeName = "annotated-unet-28"

  func validate() throws { _ = try size.map(ImageSides.init) }

  /// The configuration in `file`, or the default, and the images' shape [H, W, C].
  ///
  /// - Throws: `SettingsError`, `FileError`, `ModelError`.
  func load(_ file: String?) throws -> (configuration: TrainingConfiguration, imageShape: [Int]) {
    var node = try file.map { try SettingsNode(contentsOfFile: $0) } ?? Self.recipe
    node = try node.applying(overrides: set)
    // Only training needs an actual dataset.
    if node["dataset.path"] == nil { node = try node.applying(overrides: ["dataset.path=\"\""]) }
    let configuration = try TrainingConfiguration(describing: node)
    let sides = try size.map(ImageSides.init)
    let shape = try MeasuredImages.shape(
      configuration, name: file ?? Self.recipeName, size: sides.map { ($0.height, $0.width) })
    return (configuration, shape)
  }
}
