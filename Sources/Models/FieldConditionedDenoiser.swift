import Layers
import Tensors

/// A denoiser that sees the fields an image depends on as further input channels: `Conditioning.image`, or zeros if
/// there is none (Saharia et al., 2022, "Image Super-Resolution via Iterative Refinement", section 2).
///
/// Its weights are those of the wrapped network, which has more input channels than the images.
public struct FieldConditionedDenoiser: Denoiser {
  private let network: any Denoiser
  public let imageChannels: Int

  /// - Parameters:
  ///   - network: a network with more input channels than the images.
  ///   - imageChannels: channels of the images.
  public init(_ network: any Denoiser, imageChannels: Int) {
    precondition(
      imageChannels > 0 && imageChannels < network.imageChannels,
      "\(imageChannels) of \(network.imageChannels) channels")
    self.network = network
    self.imageChannels = imageChannels
  }

  public var conditionChannels: Int { network.imageChannels - imageChannels }
  public var parameters: ParameterLayout { network.parameters }
  public var imageChannelsKey: String { network.imageChannelsKey }
  public var predictionChannels: Int { network.predictionChannels }
  public var predictionChannelsKey: String { network.predictionChannelsKey }
  public var imageSize: ImageSize { network.imageSize }
  public var classes: ModelClasses? { network.classes }
  public var contextWidth: Int? { network.contextWidth }
  public var skipChannels: [Int]? { network.skipChannels }

  public func callAsFunction(_ x: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    var others = conditioning
    others.image = nil
    let condition = conditioning.image ?? x.tape.zeros(x.shape.dropLast() + [conditionChannels])
    precondition(
      condition.shape == x.shape.dropLast() + [conditionChannels],
      "\(condition.shape) beside \(x.shape), of \(network.imageChannels) channels in all")
    return network(
      Tensor.concatenated([x, condition], axis: 3), timesteps: timesteps, conditioning: others)
  }
}
