import Models
import Settings

extension TaskSettings {
  /// A network that controls a frozen denoiser through an image.
  public struct ControlSection: Sendable {
    public let network: any ControlNetwork
    /// The denoiser, and the process whose loss trains the network.
    public let diffusion: DiffusionSection
    /// The dataset field that the network sees; nil for the dataset's first condition.
    public let field: String?
    /// Probability with which training replaces the condition with zeros.
    public let dropout: Double
  }
}

extension TaskSettings.ControlSection {
  init(_ model: SettingsReader, _ reader: SettingsReader) throws {
    let key = TaskSettings.denoiserKey
    guard reader.isGiven(TrainingConfiguration.baseKey) else {
      throw model.invalid(
        "kind",
        "\(ControlKind.controlNet.rawValue) is trained beside a trained denoiser, which it begins as a copy of, and which is "
          + "not trained: name it with \(TrainingConfiguration.baseKey)")
    }
    guard reader.isGiven(key) else {
      throw reader.invalid(
        key,
        "is missing: expected the section model of \(TrainingConfiguration.baseKey), whose denoiser is controlled"
      )
    }
    diffusion = try TaskSettings.DiffusionSection(reader.section(key), reader)
    network = try ControlKind.model(model)
    do {
      try network.check(diffusion.model)
    } catch {
      throw model.invalid("kind", "\(error)")
    }
    let conditioning = try reader.section("conditioning")
    guard diffusion.trainedText == nil else {
      throw conditioning.invalid(
        TaskSettings.TextSection.trainingKey, "must be false: a control network is trained beside frozen ones"
      )
    }
    field = try conditioning.value(
      "condition", as: String.self, help: "the field that controls; null: the dataset's first condition")
    dropout = try conditioning.value(
      "condition_dropout", default: 0.0, in: 0.0...1.0, help: "how often training shows nothing in its place")
  }
}
