import Layers
import Tensors

/// A network that sees noisy images and their timesteps and predicts what the diffusion objective asks for.
///
/// A model holds no weights: it says which parameters it has, and finds their values on the tape. So one model runs
/// with the trained weights, with their average, or with a file's.
public protocol DenoisingModel: Sendable {
  var parameters: ParameterLayout { get }
  /// Channels of the images that go in.
  var imageChannels: Int { get }
  /// Channels of the prediction.
  var predictionChannels: Int { get }
  /// Height and width must be multiples of this.
  var sizeDivisor: Int { get }

  /// - Parameters:
  ///   - x: noisy images [B, H, W, C].
  ///   - timesteps: B numbers, 0 for the least noise.
  /// - Returns: [B, H, W, predicted channels].
  func callAsFunction(_ x: Tensor, timesteps: [Int]) -> Tensor
}

extension DenoisingModel {
  /// Throws unless images of this size go through the model; the error says which sizes near it would.
  public func check(height: Int, width: Int, channels: Int) throws {
    guard channels == imageChannels else {
      throw ModelError(
        "the model is made for images of \(imageChannels) channels, these have \(channels): "
          + "set model.channels to \(channels)")
    }
    let misfits = [("height", height), ("width", width)].filter { $0.1 % sizeDivisor != 0 }
    guard misfits.isEmpty else {
      let advice = misfits.map { name, size in
        let lower = size / sizeDivisor * sizeDivisor
        return "\(name) \(size) is not; \(lower > 0 ? "\(lower) or " : "")\(lower + sizeDivisor) would do"
      }
      throw ModelError(
        "the model halves its images \(sizeDivisor.trailingZeroBitCount) times, so their sides must be multiples of "
          + "\(sizeDivisor): \(advice.joined(separator: "; "))")
    }
  }
}

/// A model that cannot be made as configured, or that does not fit the images.
public struct ModelError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
