import Kernels
import Layers
import Models
import Settings

extension TaskSettings {
  /// An autoencoder and the terms of its loss.
  public struct AutoencoderSection: Sendable {
    public let model: AutoencoderKL
    /// How reconstructions are compared with images.
    public let reconstructionLoss: PredictionLoss
    /// Weight of the KL divergence of the latents from the standard normal distribution.
    public let divergenceWeight: Double
    /// nil compares images by their values alone.
    public let perceptual: PerceptualSection?
    /// nil trains the autoencoder alone.
    public let adversary: AdversarySection?
    /// Parameters of both networks, the autoencoder's first.
    public let parameters: ParameterLayout
  }
}

extension TaskSettings.AutoencoderSection {
  private enum Loss: String, CaseIterable {
    case l1
    case l2
  }

  init(_ model: SettingsReader, _ sections: SettingsReader) throws {
    let builder = ParameterBuilder("autoencoder")
    self.model = try AutoencoderKind.model(model, builder)
    guard self.model.reconstructionChannels == self.model.imageChannels else {
      throw model.invalid(
        "out_channels",
        "is \(self.model.reconstructionChannels), and images have \(self.model.imageChannels) channels (in_channels): "
          + "reconstructions are compared with them")
    }
    let reader = try sections.section("autoencoder")
    let loss = try reader.choice(
      "loss", default: Loss.l1,
      help: "distance of reconstructions from images: l1 or l2, a mean over all values")
    reconstructionLoss = loss == .l1 ? .l1 : .l2
    divergenceWeight = try reader.value(
      "kl_weight", default: 1e-6, in: 0.0...,
      help: "weight of the latents' divergence from a normal distribution, summed over a latent's values")
    perceptual = try TaskSettings.PerceptualSection(reader)
    adversary = try TaskSettings.AdversarySection(sections, channels: self.model.imageChannels, builder)
    parameters = builder.layout
  }
}

extension TaskSettings {
  /// The perceptual term of an autoencoder's loss.
  public struct PerceptualSection: Hashable, Sendable {
    /// Path of the LPIPS weights.
    public let path: String
    public let weight: Double
  }
}

extension TaskSettings.PerceptualSection {
  /// nil for a loss without a perceptual term.
  init?(_ reader: SettingsReader) throws {
    let path = try reader.value(
      "perceptual_path", as: String.self,
      help:
        "a safetensors file with the weights of LPIPS (VGG16), which becomes a part of the loss; null: none")
    let weight = try reader.value(
      "perceptual_weight", default: 1.0, in: Above(0.0), help: "what LPIPS is multiplied by")
    guard let path else { return nil }
    self.path = path
    self.weight = weight
  }
}
