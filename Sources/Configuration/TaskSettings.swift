import Diffusion
import Kernels
import Models
import Settings

/// What a run trains, and by which loss.
public enum TaskSettings: Sendable {
  case diffusion(DiffusionSection)
  case autoencoder(AutoencoderSection)
  case contrastive(ContrastiveSection)

  /// The values of `training.task`.
  public enum Kind: String, CaseIterable, Sendable {
    case diffusion
    case autoencoder
    case contrastive
  }

  /// A denoiser, and the process that it learns to reverse.
  public struct DiffusionSection: Sendable {
    public let model: any Denoiser
    public let process: any DiffusionProcess
    /// nil for a denoiser of the images themselves.
    public let latents: LatentSection?
    /// nil for a denoiser that is told no texts.
    public let text: TextSection?
  }

  /// What reads the captions that a denoiser attends to: the section `conditioning`.
  public struct TextSection: Hashable, Sendable {
    /// Where the text encoder lies, absolute or relative to where the command runs.
    public let encoder: String
    /// Where its tokeniser lies; nil: with the encoder.
    public let tokenizer: String?
    /// How often training leaves a caption out.
    public let dropout: Double
    /// Into how many chunks of the text encoder's tokens a caption is cut at most.
    public let chunks: Int
  }

  /// Whose latents a denoiser works on: the section `autoencoder`.
  public struct LatentSection: Hashable, Sendable {
    /// Where the autoencoder lies, absolute or relative to where the command runs.
    public let path: String
    /// What latents are multiplied by; nil: what was measured when they were made.
    public let scalingFactor: Double?
  }

  /// An autoencoder, and the parts of its loss.
  public struct AutoencoderSection: Sendable {
    public let model: AutoencoderKL
    /// How reconstructions are compared with images.
    public let reconstructionLoss: PredictionLoss
    /// What the divergence of the latents from the standard normal distribution is multiplied by.
    public let divergenceWeight: Double
  }

  /// Two encoders of texts and images, and what makes tokens of captions.
  public struct ContrastiveSection: Sendable {
    public let model: CLIP
    /// Where the tokeniser lies, absolute or relative to where the command runs.
    public let tokenizer: String
  }

  public var kind: Kind {
    switch self {
    case .diffusion: .diffusion
    case .autoencoder: .autoencoder
    case .contrastive: .contrastive
    }
  }

  /// Whether a denoiser is told texts.
  var readsTexts: Bool { if case .diffusion(let section) = self { section.text != nil } else { false } }

  public var network: TrainedNetwork {
    switch self {
    case .diffusion(let section): .denoiser(section.model)
    case .autoencoder(let section): .autoencoder(section.model)
    case .contrastive(let section): .contrastive(section.model)
    }
  }

  /// Reads the sections of what the configuration `node` trains.
  ///
  /// - Throws: `SettingsError`.
  init(_ reader: SettingsReader, _ node: SettingsNode) throws {
    // Which sections there are depends on it, and they come before the section that says it.
    let kind = try Kind(SettingsReader(node).section("training"))
    let model = try reader.section("model")
    if case .scalar(let name)? = node["model.kind"]?.content,
      let other = Kind.allCases.first(where: { $0 != kind && $0.networks.contains(name.text) })
    {
      throw model.invalid("kind", "\(name.text) is trained with training.task: \(other.rawValue)")
    }
    switch kind {
    case .diffusion: self = .diffusion(try DiffusionSection(model, reader))
    case .autoencoder: self = .autoencoder(try AutoencoderSection(model, reader.section("autoencoder")))
    case .contrastive: self = .contrastive(try ContrastiveSection(model, reader.section("conditioning")))
    }
  }
}

extension TaskSettings.Kind {
  private static let key = "task"

  /// The kinds of networks that it trains.
  fileprivate var networks: [String] {
    switch self {
    case .diffusion: DenoiserKind.allCases.map(\.rawValue)
    case .autoencoder: AutoencoderKind.allCases.map(\.rawValue)
    case .contrastive: ContrastiveKind.allCases.map(\.rawValue)
    }
  }

  /// What the section `training` says.
  init(_ training: SettingsReader) throws {
    self = try training.choice(
      Self.key, default: .diffusion,
      help:
        "what is trained: diffusion, a denoiser; autoencoder, the network of latents; contrastive, clip")
  }
}

extension TaskSettings.DiffusionSection {
  init(_ model: SettingsReader, _ reader: SettingsReader) throws {
    self.model = try DenoiserKind.model(model)
    latents =
      reader.isGiven("autoencoder") ? try TaskSettings.LatentSection(reader.section("autoencoder")) : nil
    text =
      self.model.contextWidth != nil && reader.isGiven("conditioning")
      ? try TaskSettings.TextSection(reader.section("conditioning")) : nil
    process = try DiffusionSettings.process(reader.section("diffusion"))
    let needed = self.model.imageChannels * process.outputsPerChannel
    guard self.model.predictionChannels == needed else {
      throw model.invalid(
        self.model.predictionChannelsKey,
        "the model predicts \(self.model.predictionChannels) channels of images of \(self.model.imageChannels): "
          + "the process needs \(needed)")
    }
  }
}

extension TaskSettings.TextSection {
  init(_ reader: SettingsReader) throws {
    encoder = try reader.required(
      "text_encoder", as: String.self,
      help: "what embeds captions, frozen: a folder of a pipeline or of CLIPTextModel, or a run of clip")
    tokenizer = try reader.value(
      "tokenizer", as: String.self, help: "its tokeniser's folder; null: the one that lies with it")
    dropout = try reader.value(
      "caption_dropout", default: 0.1, in: 0.0...1.0,
      help: "how often training leaves a caption out, which guidance needs")
    chunks = try reader.value(
      "caption_chunks", default: 1, in: 1...64,
      help: "how many times the text encoder's tokens a caption may have: it goes through in so many chunks")
  }
}

extension TaskSettings.ContrastiveSection {
  init(_ model: SettingsReader, _ reader: SettingsReader) throws {
    self.model = try ContrastiveKind.model(model)
    tokenizer = try reader.required(
      "tokenizer", as: String.self, help: "the folder of the tokeniser that makes tokens of captions")
  }
}

extension TaskSettings.LatentSection {
  init(_ reader: SettingsReader) throws {
    path = try reader.required(
      "path", as: String.self,
      help: "the autoencoder whose latents the dataset holds: a run, a checkpoint or a folder of diffusers")
    scalingFactor = try reader.value(
      "scaling_factor", as: Double.self, in: Above(0.0),
      help: "what latents are multiplied by; null: what oboro encode measured")
  }
}

extension TaskSettings.AutoencoderSection {
  private enum Loss: String, CaseIterable {
    case l1
    case l2
  }

  init(_ model: SettingsReader, _ reader: SettingsReader) throws {
    self.model = try AutoencoderKind.model(model)
    guard self.model.reconstructionChannels == self.model.imageChannels else {
      throw model.invalid(
        "out_channels",
        "is \(self.model.reconstructionChannels), and images have \(self.model.imageChannels) channels (in_channels): "
          + "reconstructions are compared with them")
    }
    let loss = try reader.choice(
      "loss", default: Loss.l1,
      help: "distance of reconstructions from images: l1 or l2, a mean over all values")
    reconstructionLoss = loss == .l1 ? .l1 : .l2
    divergenceWeight = try reader.value(
      "kl_weight", default: 1e-6, in: 0.0...,
      help: "weight of the latents' divergence from a normal distribution, summed over a latent's values")
  }
}
