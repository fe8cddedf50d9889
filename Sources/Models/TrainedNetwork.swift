import Layers
import Settings
import Tensors

/// The network that a run trains, by its role.
public enum TrainedNetwork: Sendable {
  case denoiser(any Denoiser)
  /// A control network for a denoiser, which is not trained.
  case control(any ControlNetwork, of: any Denoiser)
  case autoencoder(AutoencoderKL)
  case contrastive(CLIP)

  public var parameters: ParameterLayout {
    switch self {
    case .denoiser(let model): model.parameters
    case .control(let network, _): network.parameters
    case .autoencoder(let model): model.parameters
    case .contrastive(let model): model.parameters
    }
  }

  /// The denoiser, trained or not; nil for networks of other roles.
  public var denoiser: (any Denoiser)? {
    switch self {
    case .denoiser(let model), .control(_, let model): model
    case .autoencoder, .contrastive: nil
    }
  }

  /// The parameters of the frozen network that a control network is trained for.
  public var frozenParameters: ParameterLayout? {
    if case .control(_, let model) = self { model.parameters } else { nil }
  }

  /// Channels of the input images.
  public var imageChannels: Int {
    switch self {
    case .denoiser(let model), .control(_, let model): model.imageChannels
    case .autoencoder(let model): model.imageChannels
    case .contrastive(let model): model.settings.vision.channels
    }
  }

  /// The image sizes that the network accepts.
  public var imageSize: ImageSize {
    switch self {
    case .denoiser(let model), .control(_, let model): model.imageSize
    case .autoencoder(let model): .multiples(of: model.downsampling)
    case .contrastive(let model): .square(model.settings.vision.imageSize)
    }
  }

  /// Throws unless the network accepts images of this size; the error suggests nearby sizes that it would accept.
  public func check(height: Int, width: Int, channels: Int) throws {
    switch self {
    case .denoiser(let model), .control(_, let model):
      try model.check(height: height, width: width, channels: channels)
    case .autoencoder(let model): try model.check(height: height, width: width, channels: channels)
    case .contrastive(let model): try model.check(height: height, width: width, channels: channels)
    }
  }

  /// Runs images [B, H, W, C] through the network as in training, so that a profile records its operations.
  package func run(_ images: Tensor) {
    switch self {
    case .denoiser(let model): run(images, nil, model)
    case .control(let network, let model): run(images, network, model)
    case .autoencoder(let model): _ = model.decode(model.encode(images).mean)
    case .contrastive(let model):
      let text = [Int](repeating: 0, count: model.settings.text.tokenLimit)
      let texts = model.embed([[Int]](repeating: text, count: images.shape[0]), on: images.tape)
      _ = model.contrastiveLoss(
        images: model.embed(images: images), texts: texts, scale: model.scale(on: images.tape))
    }
  }

  private func run(_ images: Tensor, _ control: (any ControlNetwork)?, _ model: any Denoiser) {
    let (batch, tape) = (images.shape[0], images.tape)
    let timesteps = [Float](repeating: 0, count: batch)
    var conditioning = Conditioning.none(batch: batch)
    conditioning.context = model.contextWidth.map { tape.zeros([batch, Self.contextLength, $0]) }
    conditioning.control = control.map { network in
      let sides = images.shape[1...2].map { $0 * network.conditionScale }
      return network(
        images, timesteps: timesteps,
        condition: tape.zeros([batch] + sides + [network.conditionChannels]), conditioning: conditioning)
    }
    _ = model(images, timesteps: timesteps, conditioning: conditioning)
  }

  /// Context tokens used for measuring: CLIP's number of tokens per text.
  private static let contextLength = 77
}

extension TrainedNetwork {
  /// The network described by a `model` section, whatever the role of its kind, and all values of the section.
  ///
  /// - Throws: `SettingsError`.
  public static func described(
    by section: SettingsNode
  ) throws -> (network: TrainedNetwork, resolved: SettingsNode) {
    let path = "model"
    let kinds = DenoiserKind.allCases.map(\.rawValue) + AutoencoderKind.allCases.map(\.rawValue)
    // The kind determines the role that reads all keys, including `kind` itself.
    let kind = try SettingsReader(section, path: path)
      .requiredChoice("kind", among: kinds, help: "which network")
    let reader = try SettingsReader(section, path: path)
    let network: TrainedNetwork =
      AutoencoderKind(rawValue: kind) == nil
      ? .denoiser(try DenoiserKind.model(reader)) : .autoencoder(try AutoencoderKind.model(reader))
    try reader.finish()
    return (network, reader.resolved)
  }
}
