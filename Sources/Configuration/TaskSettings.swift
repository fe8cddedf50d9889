import Diffusion
import Kernels
import Layers
import Models
import Settings

/// What a run trains, and with which loss.
public enum TaskSettings: Sendable {
  case diffusion(DiffusionSection)
  case control(ControlSection)
  case autoencoder(AutoencoderSection)
  case contrastive(ContrastiveSection)

  /// The values of `training.task`.
  public enum Kind: String, CaseIterable, Sendable {
    case diffusion
    case autoencoder
    case contrastive
  }

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

  /// The text encoder for the captions that a denoiser attends to: the `conditioning` section.
  public struct TextSection: Hashable, Sendable {
    /// Path of the text encoder, absolute or relative to the working directory.
    public let encoder: String
    /// Whether the encoder is trained together with the denoiser, starting from its weights at the path.
    public let isTrained: Bool
    /// Path of its tokeniser; nil if stored with the encoder.
    public let tokenizer: String?
    /// Probability with which training drops a caption.
    public let dropout: Double
    /// Maximum number of chunks, each as long as the text encoder's context, that a caption is split into.
    public let chunks: Int
  }

  /// The autoencoder whose latents a denoiser works on: the `autoencoder` section.
  public struct LatentSection: Hashable, Sendable {
    /// Path of the autoencoder, absolute or relative to the working directory.
    public let path: String
    /// Factor applied to latents; nil uses the one measured during encoding.
    public let scalingFactor: Double?
  }

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

  /// The perceptual term of an autoencoder's loss.
  public struct PerceptualSection: Hashable, Sendable {
    /// Path of the LPIPS weights.
    public let path: String
    public let weight: Double
  }

  /// Text and image encoders, with the tokeniser for captions.
  public struct ContrastiveSection: Sendable {
    public let model: CLIP
    /// Path of the tokeniser, absolute or relative to the working directory.
    public let tokenizer: String
  }

  public var kind: Kind {
    switch self {
    case .diffusion, .control: .diffusion
    case .autoencoder: .autoencoder
    case .contrastive: .contrastive
    }
  }

  /// The denoiser that is trained or controlled; nil for other networks.
  public var diffusion: DiffusionSection? {
    switch self {
    case .diffusion(let section): section
    case .control(let section): section.diffusion
    case .autoencoder, .contrastive: nil
    }
  }

  /// The parameters trained without an adapter: the network's, followed by those of the network trained alongside it.
  var parameters: ParameterLayout {
    switch self {
    case .diffusion(let section): section.parameters
    case .autoencoder(let section): section.parameters
    case .control, .contrastive: network.parameters
    }
  }

  /// The discriminator trained alongside an autoencoder, if any.
  public var adversary: AdversarySection? {
    if case .autoencoder(let section) = self { section.adversary } else { nil }
  }

  public var network: TrainedNetwork {
    switch self {
    case .diffusion(let section): .denoiser(section.model)
    case .control(let section): .control(section.network, of: section.diffusion.model)
    case .autoencoder(let section): .autoencoder(section.model)
    case .contrastive(let section): .contrastive(section.model)
    }
  }

  /// Reads the sections required by the task of the configuration `node`.
  ///
  /// - Throws: `SettingsError`.
  init(_ reader: SettingsReader, _ node: SettingsNode) throws {
    // The task determines which sections exist, and they precede the section that names it.
    let kind = try Kind(SettingsReader(node).section("training"))
    let model = try reader.section("model")
    if let name = Self.kindOfModel(node),
      let other = Kind.allCases.first(where: { $0 != kind && $0.networks.contains(name) })
    {
      throw model.invalid("kind", "\(name) is trained with training.task: \(other.rawValue)")
    }
    switch kind {
    case .diffusion where Self.trainsControl(node): self = .control(try ControlSection(model, reader))
    case .diffusion: self = .diffusion(try DiffusionSection(model, reader))
    case .autoencoder: self = .autoencoder(try AutoencoderSection(model, reader))
    case .contrastive: self = .contrastive(try ContrastiveSection(model, reader.section("conditioning")))
    }
  }

  private static func kindOfModel(_ node: SettingsNode) -> String? {
    if case .scalar(let name)? = node["model.kind"]?.content { name.text } else { nil }
  }

  /// The section that describes the denoiser that a control network is trained for.
  package static let denoiserKey = "denoiser"

  /// Whether `node` configures the training of a control network.
  package static func trainsControl(_ node: SettingsNode) -> Bool {
    kindOfModel(node).map { ControlKind(rawValue: $0) != nil } ?? false
  }

  /// `node` with settings missing from a control network's section filled in from its denoiser's.
  ///
  /// - Throws: `SettingsError`.
  static func completed(_ node: SettingsNode) throws -> SettingsNode {
    guard trainsControl(node), let model = node["model"], let denoiser = node[denoiserKey] else {
      return node
    }
    return node.setting("model", to: try ControlKind.completing(model, from: denoiser))
  }
}

extension TaskSettings.Kind {
  private static let key = "task"

  /// The kinds of networks that the task trains.
  fileprivate var networks: [String] {
    switch self {
    case .diffusion: DenoiserKind.allCases.map(\.rawValue) + ControlKind.allCases.map(\.rawValue)
    case .autoencoder: AutoencoderKind.allCases.map(\.rawValue)
    case .contrastive: ContrastiveKind.allCases.map(\.rawValue)
    }
  }

  /// Reads the task from the `training` section.
  init(_ training: SettingsReader) throws {
    self = try training.choice(
      Self.key, default: .diffusion,
      help:
        "what is trained: diffusion, a denoiser or what controls one; autoencoder, the network of latents; contrastive, clip"
    )
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

extension TaskSettings.TextSection {
  package static let trainingKey = "train_text_encoder"

  init(_ reader: SettingsReader) throws {
    encoder = try reader.required(
      "text_encoder", as: String.self,
      help: "what embeds captions: a folder of a pipeline or of CLIPTextModel, or a run of clip")
    tokenizer = try reader.value(
      "tokenizer", as: String.self, help: "its tokeniser's folder; null: the one that lies with it")
    isTrained = try reader.value(
      Self.trainingKey, default: false,
      help: "whether the text encoder is trained together with the denoiser, rather than frozen")
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
