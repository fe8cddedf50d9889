import Diffusion
import Layers
import Models
import Settings

extension TaskSettings {
  /// A denoiser and the diffusion process that it learns to reverse.
  public struct DiffusionSection: Sendable {
    public let model: any Denoiser
    public let process: any DiffusionProcess
    /// nil for a denoiser in pixel space.
    public let latents: LatentSection?
    /// nil for a denoiser without text conditioning.
    public let text: TextSection?
    /// The text encoder that is trained together with the denoiser; nil if it is frozen, or if there is none.
    public let trainedText: TrainedText?
    /// nil for a denoiser that sees only the noisy image.
    public let fields: FieldSection?

    /// The trained parameters: the denoiser's, followed by those of the text encoder trained alongside it.
    public var parameters: ParameterLayout { trainedText?.encoder.parameters ?? model.parameters }
  }
}

extension TaskSettings.DiffusionSection {
  init(_ model: SettingsReader, _ reader: SettingsReader) throws {
    let builder = ParameterBuilder("denoiser")
    let network = try DenoiserKind.model(model, builder)
    latents =
      reader.isGiven("autoencoder") ? try TaskSettings.LatentSection(reader.section("autoencoder")) : nil
    text =
      network.contextWidth != nil && reader.isGiven("conditioning")
      ? try TaskSettings.TextSection(reader.section("conditioning")) : nil
    trainedText =
      text?.isTrained == true
      ? TaskSettings.TrainedText(try TextEncoderSection.model(reader), beside: builder) : nil
    let process = try DiffusionSettings.process(reader.section("diffusion"))
    self.process = process
    fields = try TaskSettings.FieldSection(reader)
    self.model = try fields?.denoiser(network, process, model) ?? network
    let needed = self.model.imageChannels * process.outputsPerChannel
    guard self.model.predictionChannels == needed else {
      throw model.invalid(
        self.model.predictionChannelsKey,
        "the model predicts \(self.model.predictionChannels) channels of images of \(self.model.imageChannels): "
          + "the process needs \(needed)")
    }
  }
}
