import Layers
import Tensors

/// A network that turns an image into residuals of a denoiser.
public protocol ControlNetwork: Sendable {
  var parameters: ParameterLayout { get }
  /// Channels of the noisy images, as the denoiser's.
  var imageChannels: Int { get }
  /// Channels of the image that controls.
  var conditionChannels: Int { get }
  /// How often its sides are those of the noisy images.
  var conditionScale: Int { get }
  /// nil for a network that knows no classes.
  var classes: ModelClasses? { get }
  /// Numbers of a token of the context; nil for a network that attends to none.
  var contextWidth: Int? { get }
  /// Channels of the residuals of the skip connections.
  var residualChannels: [Int] { get }

  /// Whether a tensor is a copy of the denoiser's of the same name when training begins.
  func isCopied(_ tensor: FileTensor) -> Bool

  /// - Parameters:
  ///   - x: noisy images [B, H, W, C].
  ///   - condition: [B, s H, s W, condition channels], s the scale.
  ///   - conditioning: what the denoiser is told.
  func callAsFunction(
    _ x: Tensor, timesteps: [Float], condition: Tensor, conditioning: Conditioning
  ) -> Conditioning.ControlResiduals
}

extension ControlNetwork {
  /// Throws unless the residuals are those of this denoiser.
  public func check(_ denoiser: any Denoiser) throws {
    guard denoiser.imageChannels == imageChannels else {
      throw ModelError(
        "the control network sees images of \(imageChannels) channels, the denoiser of \(denoiser.imageChannels)"
      )
    }
    guard let channels = denoiser.skipChannels else {
      throw ModelError("the denoiser takes no residuals of a control network: \(Self.takers) do")
    }
    guard channels == residualChannels else {
      throw ModelError(
        "the residuals have \(residualChannels) channels, the denoiser's skip connections \(channels)")
    }
    guard contextWidth == nil || contextWidth == denoiser.contextWidth else {
      throw ModelError(
        "the control network attends to tokens of \(contextWidth ?? 0) numbers, the denoiser to "
          + "\(denoiser.contextWidth.map { "\($0)" } ?? "none")")
    }
    guard classes?.count == denoiser.classes?.count || classes == nil else {
      throw ModelError(
        "the control network knows \(classes?.count ?? 0) classes, the denoiser "
          + "\(denoiser.classes?.count ?? 0)")
    }
  }

  private static var takers: String { DenoiserKind.unetCondition.rawValue }
}
