import Settings

/// The keys of `model` for `kind: dit`, with defaults for 28x28 images.
public struct DiTSettings: Hashable, Sendable {
  /// Side of the images, in pixels.
  public let imageSize: Int
  /// Side of a patch, in pixels.
  public let patchSize: Int
  public let channels: Int
  /// Width of a token.
  public let hiddenSize: Int
  /// Number of blocks.
  public let depth: Int
  public let heads: Int
  /// Hidden width of a block's MLP.
  public let mlpWidth: Int
  public let classes: Int
  /// Probability with which training drops an image's class.
  public let classDropout: Double
  /// Whether the model predicts a variance in addition to the noise, in as many channels again.
  public let learnsVariance: Bool

  /// - Throws: `SettingsError`, including for incompatible combinations.
  public init(_ reader: SettingsReader) throws {
    imageSize = try reader.value(
      "image_size", default: 28, in: 1...4096, help: "height and width of the images")
    patchSize = try reader.value("patch_size", default: 4, in: 1...4096, help: "height and width of a patch")
    channels = try reader.imageChannels(default: 1)
    hiddenSize = try reader.value("hidden_size", default: 384, in: 4...16_384, help: "numbers of a token")
    depth = try reader.value("depth", default: 12, in: 1...1024, help: "number of blocks")
    heads = try reader.value("heads", default: 6, in: 1...1024, help: "attention heads of a block")
    let mlpRatio = try reader.value(
      "mlp_ratio", default: 4.0, in: 0.01...64,
      help: "width of a block's perceptron, as a multiple of hidden_size")
    classes = try reader.value(
      "classes", default: 1, in: 1...1_000_000, help: "classes that images can have; 1: all are one class")
    classDropout = try reader.value(
      "class_dropout", default: 0.1, in: 0.0...1.0, help: "how often training keeps an image's class back")
    learnsVariance = try reader.value(
      "learn_sigma", default: false, help: "whether a variance is predicted beside the noise")
    mlpWidth = Int(Double(hiddenSize) * mlpRatio)

    guard imageSize % patchSize == 0 else {
      throw reader.invalid(
        "patch_size",
        "must divide image_size (\(imageSize)), is \(patchSize); \(Self.divisors(of: imageSize)) would do")
    }
    try reader.requireMultiple(
      "hidden_size", hiddenSize, of: 4, "a quarter each are sines and cosines of a token's row and column")
    guard hiddenSize % heads == 0 else {
      throw reader.invalid(
        "heads",
        "must divide hidden_size (\(hiddenSize)), is \(heads); \(Self.divisors(of: hiddenSize)) would do")
    }
    guard mlpWidth > 0 else {
      throw reader.invalid(
        "mlp_ratio", "leaves no numbers of the \(hiddenSize) of hidden_size, is \(mlpRatio)")
    }
  }

  private static func divisors(of number: Int) -> String {
    let divisors = (1...number).filter { number % $0 == 0 }.map(String.init)
    return divisors.count == 1
      ? divisors[0] : divisors.dropLast().joined(separator: ", ") + " or " + divisors[divisors.count - 1]
  }
}
