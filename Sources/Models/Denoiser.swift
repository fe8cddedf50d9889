import Layers
import Tensors

/// A network that sees noisy images and their timesteps and predicts what the diffusion objective asks for.
///
/// A model holds no weights: it says which parameters it has, and finds their values on the tape. So one model runs
/// with the trained weights, with their average, or with a file's.
public protocol Denoiser: Sendable {
  var parameters: ParameterLayout { get }
  /// Channels of the images that go in.
  var imageChannels: Int { get }
  /// The key of the model's settings that sets them.
  var imageChannelsKey: String { get }
  /// Channels of the prediction.
  var predictionChannels: Int { get }
  /// The key of the model's settings by which these can differ from the images'.
  var predictionChannelsKey: String { get }
  var imageSize: ImageSize { get }
  /// nil for a model that knows no classes.
  var classes: ModelClasses? { get }
  /// Numbers of a token of the context that the model attends to; nil for a model that attends to none.
  var contextWidth: Int? { get }
  /// Channels that the model sees beside those of noisy images, of what these depend on.
  var conditionChannels: Int { get }
  /// Channels of the skip connections, to which a control network may add; nil for a model that takes no residuals.
  var skipChannels: [Int]? { get }

  /// - Parameters:
  ///   - x: noisy images [B, H, W, C].
  ///   - timesteps: B numbers, 0 for the least noise; samplers also visit some between the integers.
  ///   - conditioning: of these B samples.
  /// - Returns: [B, H, W, predicted channels].
  func callAsFunction(_ x: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor
}

/// The heights and widths that a model takes.
public enum ImageSize: Hashable, Sendable, CustomStringConvertible {
  /// Sides that are multiples of this power of two.
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

/// The classes that a model can be told of.
public struct ModelClasses: Hashable, Sendable {
  public let count: Int
  /// How often training keeps an image's class from the model, so that it learns to do without: what classifier-free
  /// guidance (Ho and Salimans, 2022) needs.
  public let dropout: Double
  /// The key of the model's settings that sets `count`.
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

  /// Throws if the model attends to a context, for commands that have none to give it.
  public func requireNoContext() throws {
    guard let contextWidth else { return }
    throw ModelError(
      "the model attends to a context of tokens with \(contextWidth) numbers, and there is none to give it")
  }

  /// Throws if the model sees fields, for commands that have none to give it.
  public func requireNoFields() throws {
    guard conditionChannels > 0 else { return }
    throw ModelError(
      "the model sees fields of \(conditionChannels) channels beside an image (conditioning.fields), and there are none "
        + "to give it")
  }

  /// Throws unless images of this size go through the model; the error says which sizes near it would.
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

/// A model that cannot be made as configured, or that does not fit the images.
public struct ModelError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
