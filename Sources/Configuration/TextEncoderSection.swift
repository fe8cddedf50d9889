import Layers
import Models
import Settings
import Tensors

/// The `text_encoder` section of a configuration: the network of the text encoder that a run changes. A run that leaves
/// its encoder as it is needs no description of it beside `conditioning.text_encoder`, where the weights come from.
package enum TextEncoderSection {
  package static let key = "text_encoder"
  /// Prefix of the names of the encoder's tensors in checkpoints.
  package static let prefix = "text_encoder."

  /// Whether a configuration trains something of its text encoder, so that the section describes it.
  package static func isNeeded(by configuration: SettingsNode) -> Bool {
    let keys = [
      "\(AdapterSection.key).\(AdapterSettings.textKey)",
      "conditioning.\(TaskSettings.TextSection.trainingKey)",
    ]
    return keys.contains { key in
      switch configuration[key]?.content {
      case nil: false
      case .scalar(let scalar): ![.nothing, .bool(false)].contains(scalar.meaning)
      case .list, .section: true
      }
    }
  }

  /// - Throws: `SettingsError`.
  static func model(_ reader: SettingsReader) throws -> any TextEncoder {
    guard reader.isGiven(key) else {
      throw reader.invalid(
        key,
        "is missing: expected the configuration of the encoder that conditioning.text_encoder names, with kind: "
          + TextEncoderKind.clipText.rawValue)
    }
    return try TextEncoderKind.model(reader.section(key))
  }
}

extension TaskSettings {
  /// A text encoder that is trained together with the denoiser that attends to its texts.
  public struct TrainedText: Sendable {
    /// The encoder whose parameters follow the denoiser's, in the same set and memory.
    public let encoder: any TextEncoder
    /// The same network with a set of its own, as its files have it.
    public let alone: any TextEncoder
    /// Where the encoder's parameters begin in the memory of both networks.
    private let start: Int

    /// - Parameter builder: the denoiser's builder, after all its parameters have been added.
    init(_ alone: any TextEncoder, beside builder: ParameterBuilder) {
      self.alone = alone
      start = builder.layout.flatCount
      encoder = alone.placed(in: builder[TextEncoderSection.key])
    }

    /// Copies the encoder's own weights into those of both networks.
    package func set(_ weights: ParameterBuffer, in both: ParameterBuffer) {
      require(weights, both)
      (both.pointer + start).update(from: weights.pointer, count: weights.count)
    }

    /// Copies the encoder's weights out of those of both networks.
    package func copy(from both: ParameterBuffer, to weights: ParameterBuffer) {
      require(weights, both)
      weights.pointer.update(from: both.pointer + start, count: weights.count)
    }

    private func require(_ weights: ParameterBuffer, _ both: ParameterBuffer) {
      precondition(
        weights.count == alone.parameters.flatCount && both.count == start + weights.count,
        "\(weights.count) weights of \(both.count), from \(start)")
    }
  }
}

extension TrainingConfiguration {
  /// The text encoder that the run changes, with a set of its own; nil if it stays as it is, or if there is none.
  public var changedEncoder: (any TextEncoder)? {
    adapter?.text?.encoder ?? task.diffusion?.trainedText?.alone
  }
}
