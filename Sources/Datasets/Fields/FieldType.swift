import HDF5

/// What the elements of a field are in a shard.
public enum FieldType: String, Codable, Sendable, CaseIterable {
  case uint8, uint16, float16, float32, int32
  /// UTF-8, each as long as the longest of its shard, padded with NULs.
  case text = "utf-8"

  /// The bytes of one element; nil for text, which each shard decides for itself.
  public var byteCount: Int? {
    switch self {
    case .uint8: 1
    case .uint16, .float16: 2
    case .float32, .int32: 4
    case .text: nil
    }
  }

  /// Whether elements are floating-point numbers.
  public var isFloatingPoint: Bool { self == .float16 || self == .float32 }

  /// The same in HDF5's words.
  var elementType: ElementType {
    switch self {
    case .uint8: .uint8
    case .uint16: .uint16
    case .float16: .float16
    case .float32: .float32
    case .int32: .int32
    case .text: .string
    }
  }
}

/// What a field is for. Other roles than those named here may be given: such a field is stored and read like any other.
public struct FieldRole: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: String

  public init(rawValue: String) { self.rawValue = rawValue }

  /// What is trained on, [H, W, C].
  public static let image = FieldRole(rawValue: "image")
  /// The class, int32, -1 for none.
  public static let label = FieldRole(rawValue: "label")
  /// Text that describes the image.
  public static let caption = FieldRole(rawValue: "caption")
  /// Mean and standard deviation of an autoencoder's posterior, [H, W, C].
  public static let latentMean = FieldRole(rawValue: "latent-mean")
  public static let latentDeviation = FieldRole(rawValue: "latent-deviation")
  /// What an image depends on, [H, W, C], on the same grid.
  public static let condition = FieldRole(rawValue: "condition")
  /// Of an image or a condition: 1 where a value is known, 0 where it is missing.
  public static let mask = FieldRole(rawValue: "mask")
  /// Numbers that an image depends on: one, or a vector.
  public static let scalar = FieldRole(rawValue: "scalar")
  /// Vectors of an encoder, such as [L, D].
  public static let embedding = FieldRole(rawValue: "embedding")

  public static let known: [FieldRole] = [
    image, label, caption, latentMean, latentDeviation, condition, mask, scalar, embedding,
  ]

  public init(from decoder: any Decoder) throws {
    rawValue = try decoder.singleValueContainer().decode(String.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }

  /// Whether a field shows the picture's scene, so that a mirrored picture needs it mirrored.
  var isMirrored: Bool { self == .image || self == .condition || self == .mask }
}
