import Datasets

/// How latents are stored, and for which images.
public struct EncodingOptions: Sendable, Equatable {
  /// The type in which means and deviations are stored.
  public enum ElementType: String, CaseIterable, Sendable {
    case float16
    case float32

    var fieldType: FieldType { self == .float16 ? .float16 : .float32 }
  }

  public var type = ElementType.float32
  /// Whether the latents of mirrored images are stored as well.
  public var withFlips = false
  /// Images encoded together; does not affect the results.
  public var batch = 16

  public init(type: ElementType = .float32, withFlips: Bool = false, batch: Int = 16) {
    precondition(batch > 0, "batch must be positive, is \(batch)")
    self.type = type
    self.withFlips = withFlips
    self.batch = batch
  }

  /// The fields for latents of shape [H, W, C]: means and deviations, then those of mirrored images.
  package func fields(shape: [Int]) -> [Field] {
    let type = type.fieldType
    let (means, deviations) = ("latent_means", "latent_deviations")
    let prefix = "flipped_"
    func flipped(_ name: String) -> String? { withFlips ? prefix + name : nil }
    let plain = [
      Field(name: means, type: type, shape: shape, role: .latentMean, flippedBy: flipped(means)),
      Field(
        name: deviations, type: type, shape: shape, role: .latentDeviation, flippedBy: flipped(deviations)),
    ]
    guard withFlips else { return plain }
    return plain
      + plain.map { Field(name: prefix + $0.name, type: type, shape: shape, role: $0.role) }
  }
}
