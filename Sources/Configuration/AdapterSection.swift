import Layers
import Models
import Settings

/// The `adapter` section of a configuration: an adapter trained on top of a frozen model.
public struct AdapterSection: Sendable {
  public let settings: AdapterSettings
  /// The adapter of the configured model.
  public let adapter: Adapter
  /// The text encoder that is adapted as well; nil if it stays as it is.
  public let text: AdaptedText?

  /// A text encoder and its adapter.
  public struct AdaptedText: Sendable {
    public let encoder: any TextEncoder
    /// Its parameters follow those of the model's adapter, in the same set.
    public let adapter: Adapter
  }

  package static let key = "adapter"

  /// nil if the configuration lacks the section.
  ///
  /// - Throws: `SettingsError`.
  init?(_ reader: SettingsReader, of task: TaskSettings, base: String?) throws {
    guard reader.isGiven(Self.key) else { return nil }
    if case .control = task {
      throw reader.invalid(
        Self.key, "is no part of training a control network, all of which is trained: remove the section")
    }
    if task.diffusion?.trainedText != nil {
      throw reader.invalid(
        Self.key,
        "is trained beside frozen networks: leave conditioning.\(TaskSettings.TextSection.trainingKey) away; "
          + "\(Self.key).\(AdapterSettings.textKey) adapts the text encoder")
    }
    let section = try reader.section(Self.key)
    let builder = ParameterBuilder(Self.key)
    settings = try AdapterSettings(section)
    adapter = try settings.adapter(of: task.network.parameters, in: builder, section)
    if let targets = try settings.textTargets(section) {
      guard task.diffusion?.text != nil else {
        throw section.invalid(
          AdapterSettings.textKey,
          "is for a denoiser that is told texts: set conditioning.text_encoder, and a model that attends to them"
        )
      }
      let encoder = try TextEncoderSection.model(reader)
      text = AdaptedText(
        encoder: encoder,
        adapter: try settings.adapter(
          of: encoder.parameters, targets, key: AdapterSettings.textKey, in: builder[TextEncoderSection.key],
          section))
    } else {
      text = nil
    }
    guard base != nil else {
      throw reader.invalid(
        Self.key,
        "needs \(TrainingConfiguration.baseKey): the model that it changes, and that is not trained")
    }
  }

  /// The adapters of all models.
  public var joint: JointAdapter { JointAdapter([adapter] + (text.map { [$0.adapter] } ?? [])) }
}

extension TrainingConfiguration {
  package static let baseKey = "base"

  /// The value of `base`; nil if it is absent.
  static func base(_ reader: SettingsReader) throws -> String? {
    guard reader.isGiven(baseKey) else { return nil }
    let path = try reader.required(
      baseKey, as: String.self,
      help: "where weights come from: a run, a checkpoint, a safetensors file or a folder of diffusers")
    guard !path.isEmpty else { throw reader.invalid(baseKey, "is empty, expected a path") }
    return path
  }
}
