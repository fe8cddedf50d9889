import Diffusion
import Kernels
import Layers
import Models
import Settings
import Tasks

/// What a run trains, and with which loss: the registry of tasks.
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
    if let name = Self.kindOfModel(node), !kind.networks.contains(name),
      let other = Kind.allCases.first(where: { $0.networks.contains(name) })
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

extension TrainingConfiguration {
  /// The task to be trained, without any adapter.
  ///
  /// - Parameters:
  ///   - imageShape: [H, W, C] of images or latents.
  ///   - scaling: the scaling of latents; nil for images.
  ///   - captions: how captions condition the denoiser; nil if they do not.
  ///   - control: the conditioning of a control network; nil if the task trains none.
  ///   - fields: the conditioning on other fields; nil if there is none.
  ///   - perceptual: the perceptual term of an autoencoder's loss; nil if there is none.
  ///   - tokens: the tokens of a caption for a CLIP; nil measures with the same ones for all.
  package func trainingTask(
    imageShape: [Int], scaling: LatentScaling? = nil, captions: CaptionConditioning? = nil,
    control: ControlConditioning? = nil, fields: FieldConditioning? = nil, perceptual: PerceptualTerm? = nil,
    tokens: (@Sendable (String) -> [Int])? = nil
  ) -> any TrainingTask {
    switch task {
    case .diffusion(let section):
      DiffusionTask(
        section.model, section.process, trained: section.parameters, imageShape: imageShape, scaling: scaling,
        captions: captions, fields: fields, seed: training.seed)
    case .control(let section):
      DiffusionTask(
        section.diffusion.model, section.diffusion.process, imageShape: imageShape, scaling: scaling,
        captions: captions, control: control, seed: training.seed)
    case .autoencoder(let section):
      AutoencoderTask(
        section.model, parameters: section.parameters, loss: section.reconstructionLoss,
        divergenceWeight: section.divergenceWeight, perceptual: perceptual,
        adversary: section.adversary.map {
          Adversary($0.discriminator, start: $0.start, weight: $0.weight)
        }, imageShape: imageShape, seed: training.seed)
    case .contrastive(let section):
      ContrastiveTask(
        section.model, imageShape: imageShape, seed: training.seed,
        tokens: tokens ?? { [limit = section.model.settings.text.tokenLimit] _ in
          [Int](repeating: 0, count: limit)
        })
    }
  }
}
