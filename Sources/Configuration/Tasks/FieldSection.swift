import Diffusion
import Models
import Settings

extension TaskSettings {
  /// Dataset fields that condition a denoiser in addition to the noisy image: keys of the `conditioning` section.
  public struct FieldSection: Hashable, Sendable {
    /// Names of the fields, in channel order.
    public let names: [String]
    /// Probability with which training drops them.
    public let dropout: Double

    private static let section = "conditioning"
    private static let key = "fields"

    /// nil if the configuration names no fields.
    ///
    /// - Throws: `SettingsError`.
    init?(_ sections: SettingsReader) throws {
      guard sections.isGiven(Self.section) else { return nil }
      let reader = try sections.section(Self.section)
      names = try reader.value(
        Self.key, default: [String](),
        help:
          "fields of the dataset that become channels beside the noisy image's: on its grid, coarser, or numbers"
      )
      dropout = try reader.value(
        "field_dropout", default: 0.0, in: 0.0...1.0,
        help: "how often training puts zeros in their place, which guidance needs")
      guard Set(names).count == names.count else { throw reader.invalid(Self.key, "names a field twice") }
      guard !names.isEmpty else {
        if dropout > 0 { throw reader.invalid("field_dropout", "there are no fields to leave out") }
        return nil
      }
    }

    /// Wraps a network whose extra input channels hold the fields as a denoiser of images.
    ///
    /// - Parameter reader: the network's settings.
    /// - Throws: `SettingsError` if the network has no channels left for fields.
    func denoiser(
      _ network: any Denoiser, _ process: any DiffusionProcess, _ reader: SettingsReader
    ) throws -> any Denoiser {
      let images = network.predictionChannels / process.outputsPerChannel
      guard images > 0, images < network.imageChannels else {
        throw reader.invalid(
          network.imageChannelsKey,
          "is \(network.imageChannels), and the network predicts \(images) channels of images: the channels of "
            + "conditioning.fields come on top of these; \(network.predictionChannelsKey) says what is predicted"
        )
      }
      return FieldConditionedDenoiser(network, imageChannels: images)
    }
  }
}
