import Layers
import Tensors

/// A network that maps an image to residuals for a denoiser.
public protocol ControlNetwork: Sendable {
  var parameters: ParameterLayout { get }
  /// Channels of the noisy images, equal to the denoiser's.
  var imageChannels: Int { get }
  /// Channels of the control image.
  var conditionChannels: Int { get }
  /// Ratio of its sides to those of the noisy images.
  var conditionScale: Int { get }
  /// nil for a network without classes.
  var classes: ModelClasses? { get }
  /// Width of a context token; nil for a network without cross-attention.
  var contextWidth: Int? { get }
  /// Channels of the residuals of the skip connections.
  var residualChannels: [Int] { get }

  /// Whether a tensor is initialised from the denoiser's tensor of the same name.
  func isCopied(_ tensor: FileTensor) -> Bool

  /// - Parameters:
  ///   - x: noisy images [B, H, W, C].
  ///   - condition: [B, s H, s W, condition channels], with s the scale.
  ///   - conditioning: the denoiser's conditioning.
  func callAsFunction(
    _ x: Tensor, timesteps: [Float], condition: Tensor, conditioning: Conditioning
  ) -> Conditioning.ControlResiduals
}

extension ControlNetwork {
  /// Throws unless the residuals fit this denoiser.
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
