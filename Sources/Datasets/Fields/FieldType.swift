import HDF5

/// The element type of a field in a shard.
public enum FieldType: String, Codable, Sendable, CaseIterable {
  case uint8, uint16, float16, float32, int32
  /// UTF-8, padded with NULs to the length of the shard's longest text.
  case text = "utf-8"

  /// The size of one element in bytes; nil for text, whose length is set per shard.
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

  /// The corresponding HDF5 type.
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

/// The purpose of a field. Roles other than those below are allowed: such a field is stored and read like any other.
public struct FieldRole: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: String

  public init(rawValue: String) { self.rawValue = rawValue }

  /// The training data, [H, W, C].
  public static let image = FieldRole(rawValue: "image")
  /// The class, int32, -1 for none.
  public static let label = FieldRole(rawValue: "label")
  /// Text that describes the image.
  public static let caption = FieldRole(rawValue: "caption")
  /// Mean and standard deviation of an autoencoder's posterior, [H, W, C].
  public static let latentMean = FieldRole(rawValue: "latent-mean")
  public static let latentDeviation = FieldRole(rawValue: "latent-deviation")
  /// Data that an image depends on, [H, W, C], on the same grid.
  public static let condition = FieldRole(rawValue: "condition")
  /// Mask of an image or a condition: 1 where a value is known, 0 where it is missing.
  public static let mask = FieldRole(rawValue: "mask")
  /// Numbers that an image depends on: a scalar or a vector.
  public static let scalar = FieldRole(rawValue: "scalar")
  /// Vectors from an encoder, such as [L, D].
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

  /// Whether a field depicts the image's scene, so that it must be mirrored with the image.
  var isMirrored: Bool { self == .image || self == .condition || self == .mask }
}
