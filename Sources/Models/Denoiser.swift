import Layers
import Tensors

/// A network that takes noisy images and their timesteps and predicts the target of the diffusion objective.
///
/// A model holds no weights: it declares its parameters and looks up their values on the tape. One model can therefore
/// run with the trained weights, their average or those of a file.
public protocol Denoiser: Sendable {
  var parameters: ParameterLayout { get }
  /// Channels of the input images.
  var imageChannels: Int { get }
  /// The settings key that sets them.
  var imageChannelsKey: String { get }
  /// Channels of the prediction.
  var predictionChannels: Int { get }
  /// The settings key by which these can differ from the images'.
  var predictionChannelsKey: String { get }
  var imageSize: ImageSize { get }
  /// nil for a model without classes.
  var classes: ModelClasses? { get }
  /// Width of a context token; nil for a model without cross-attention.
  var contextWidth: Int? { get }
  /// Input channels for fields that the images depend on, in addition to those of the noisy images.
  var conditionChannels: Int { get }
  /// Channels of the skip connections to which a control network may add; nil for a model that accepts no residuals.
  var skipChannels: [Int]? { get }

  /// - Parameters:
  ///   - x: noisy images [B, H, W, C].
  ///   - timesteps: B values, 0 for the least noise; samplers also use fractional ones.
  ///   - conditioning: the conditions of these B samples.
  /// - Returns: [B, H, W, predicted channels].
  func callAsFunction(_ x: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor
}

/// The heights and widths that a model accepts.
public enum ImageSize: Hashable, Sendable, CustomStringConvertible {
  /// Sides must be multiples of this power of two.
  case multiples(of: Int)
  /// Square images with this side.
  case square(Int)

  public var description: String {
    switch self {
    case .multiples(let divisor): divisor == 1 ? "any" : "multiples of \(divisor)"
    case .square(let side): "\(side)x\(side)"
    }
  }
}

/// The classes that a model can be conditioned on.
public struct ModelClasses: Hashable, Sendable {
  public let count: Int
  /// Probability with which training drops an image's class, so that the model also learns the unconditional prediction
  /// for classifier-free guidance (Ho and Salimans, 2022).
  public let dropout: Double
  /// The settings key that sets `count`.
  public let key: String

  public init(count: Int, dropout: Double, key: String = "classes") {
    self.count = count
    self.dropout = dropout
    self.key = key
  }
}

extension Denoiser {
  public var classes: ModelClasses? { nil }
  public var contextWidth: Int? { nil }
  public var conditionChannels: Int { 0 }
  public var skipChannels: [Int]? { nil }
  public var imageChannelsKey: String { "channels" }
  public var predictionChannelsKey: String { "out_dim" }

  /// The unconditional prediction.
  public func callAsFunction(_ x: Tensor, timesteps: [Float]) -> Tensor {
    self(x, timesteps: timesteps, conditioning: .none(batch: timesteps.count))
  }

  /// Throws if the model attends to a context, for commands that cannot provide one.
  public func requireNoContext() throws {
    guard let contextWidth else { return }
    throw ModelError(
      "the model attends to a context of tokens with \(contextWidth) numbers, and there is none to give it")
  }

  /// Throws if the model is conditioned on fields, for commands that cannot provide them.
  public func requireNoFields() throws {
    guard conditionChannels > 0 else { return }
    throw ModelError(
      "the model sees fields of \(conditionChannels) channels beside an image (conditioning.fields), and there are none "
        + "to give it")
  }

  /// Throws unless the model accepts images of this size; the error suggests nearby sizes that it would accept.
  public func check(height: Int, width: Int, channels: Int) throws {
    guard channels == imageChannels else {
      throw ModelError(
        "the model is made for images of \(imageChannels) channels, these have \(channels): "
          + "set model.\(imageChannelsKey) to \(channels)")
    }
    switch imageSize {
    case .square(let side):
      guard height == side && width == side else {
        throw ModelError(
          "the model is made for images of \(side)x\(side), these are \(height)x\(width) (height x width): "
            + (height == width ? "set model.image_size to \(height)" : "it takes square ones only"))
      }
    case .multiples(let divisor):
      let misfits = [("height", height), ("width", width)].filter { $0.1 % divisor != 0 }
      guard misfits.isEmpty else {
        let advice = misfits.map { name, size in
          let lower = size / divisor * divisor
          return "\(name) \(size) is not; \(lower > 0 ? "\(lower) or " : "")\(lower + divisor) would do"
        }
        throw ModelError(
          "the model halves its images \(divisor.trailingZeroBitCount) times, so their sides must be multiples of "
            + "\(divisor): \(advice.joined(separator: "; "))")
      }
    }
  }
}

/// A model that cannot be built as configured, or that does not fit the images.
public struct ModelError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
