/// A named, typed array of a dataset, with one element of a fixed shape per sample.
public struct Field: Codable, Sendable, Equatable {
  /// The name of the array in each shard.
  public var name: String
  public var type: FieldType
  /// The shape of one sample: [H, W, C] for images, [] for a single number or text.
  public var shape: [Int]
  public var role: FieldRole
  /// The source arrays, for data from other programs: one for each variable stacked as channels.
  public var variables: [Variable]?
  /// The coordinates of the elements along the dimensions of `shape`, if the source specifies them.
  public var coordinates: [Coordinate]?
  /// Statistics over all samples for each channel (the last dimension), in the source's units.
  public var statistics: ChannelStatistics?
  /// How the stored values, or those returned by the loader, are derived from the source's.
  public var normalization: Normalization?
  /// The mask field, 0 where values are missing; missing values are stored as 0.
  public var maskedBy: String?
  /// The field with the values of the mirrored image, if mirroring these values does not give them.
  public var flippedBy: String?

  public init(
    name: String, type: FieldType, shape: [Int], role: FieldRole, variables: [Variable]? = nil,
    coordinates: [Coordinate]? = nil, statistics: ChannelStatistics? = nil,
    normalization: Normalization? = nil, maskedBy: String? = nil, flippedBy: String? = nil
  ) {
    self.name = name
    self.type = type
    self.shape = shape
    self.role = role
    self.variables = variables
    self.coordinates = coordinates
    self.statistics = statistics
    self.normalization = normalization
    self.maskedBy = maskedBy
    self.flippedBy = flippedBy
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, type, shape, role, variables, coordinates, statistics, normalization
    case maskedBy = "masked_by"
    case flippedBy = "flipped_by"
  }

  /// Images of bytes, as decoded from pictures.
  static func images(height: Int, width: Int, channels: Int) -> Field {
    Field(name: "images", type: .uint8, shape: [height, width, channels], role: .image)
  }

  /// The class of each sample, -1 for none.
  static let labels = Field(name: "labels", type: .int32, shape: [], role: .label)

  /// Descriptions of each sample's image.
  ///
  /// - Parameter count: captions per sample; missing ones are empty.
  static func captions(_ count: Int = 1) -> Field {
    Field(name: "captions", type: .text, shape: count == 1 ? [] : [count], role: .caption)
  }

  /// Whether it has metadata beyond a picture's: variables, coordinates, statistics or a normalisation.
  public var isDescribed: Bool {
    variables != nil || coordinates != nil || statistics != nil || normalization != nil
  }

  /// The number of elements of one sample.
  public var elementCount: Int { shape.reduce(1, *) }

  /// The size of one sample in bytes; nil for text.
  public var byteCount: Int? { type.byteCount.map { $0 * elementCount } }

  /// The extent of the last dimension; 1 for a single element.
  public var channelCount: Int { shape.last ?? 1 }

  /// Describes an inconsistency; nil if the field is valid.
  var contradiction: String? {
    guard !name.isEmpty, name != ".", !name.contains("/"), !name.utf8.contains(0) else {
      return "\(String(reflecting: name)) is not the name of a field"
    }
    guard shape.allSatisfy({ $0 > 0 }), let count = shape.checkedProduct(),
      !count.multipliedReportingOverflow(by: 8).overflow
    else { return "the field \(name) has the shape \(shape), expected positive extents" }
    guard !role.rawValue.isEmpty else { return "the field \(name) has an empty role" }
    switch role {
    case .image, .condition, .mask, .latentMean, .latentDeviation:
      guard shape.count == 3, type != .text else {
        return "the field \(name) is \(type.rawValue) of the shape \(shape), expected numbers [H, W, C] of a "
          + "\(role.rawValue)"
      }
    case .label:
      guard type == .int32, shape.isEmpty else {
        return "the field \(name) is \(type.rawValue) of the shape \(shape), expected one int32 of a label"
      }
    case .caption:
      guard type == .text else { return "the field \(name) is \(type.rawValue), expected utf-8 of a caption" }
    default: break
    }
    if let statistics, !statistics.isComplete(for: channelCount) {
      return "the statistics of \(name) are not those of \(channelCount) channels"
    }
    if let normalization {
      guard type.isFloatingPoint else {
        return "the field \(name) is \(type.rawValue), which is not normalized"
      }
      if let contradiction = normalization.contradiction(channels: channelCount) {
        return "the normalization of \(name) \(contradiction)"
      }
    }
    for coordinate in coordinates ?? [] {
      guard shape.indices.contains(coordinate.axis), coordinate.values.count == shape[coordinate.axis] else {
        return "the coordinate \(coordinate.name) of \(name) does not fit its shape \(shape)"
      }
    }
    if let variables, variables.map(\.channels).checkedSum() != channelCount {
      return "the variables of \(name) have not its \(channelCount) channels together"
    }
    return nil
  }
}

extension Field {
  /// One array of the source.
  public struct Variable: Codable, Sendable, Equatable {
    /// Its name in the source.
    public var name: String
    /// How many of the field's channels it provides.
    public var channels: Int
    /// Its attributes in the source: `units`, `long_name`, and so on.
    public var attributes: [String: FieldAttribute]

    public init(name: String, channels: Int, attributes: [String: FieldAttribute] = [:]) {
      self.name = name
      self.channels = channels
      self.attributes = attributes
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
      case name, channels, attributes
    }
  }

  /// Positions of the elements along one dimension, such as a latitude per row.
  public struct Coordinate: Codable, Sendable, Equatable {
    public var name: String
    /// The dimension of the field's shape.
    public var axis: Int
    public var values: [Double]
    public var attributes: [String: FieldAttribute]

    public init(name: String, axis: Int, values: [Double], attributes: [String: FieldAttribute] = [:]) {
      self.name = name
      self.axis = axis
      self.values = values
      self.attributes = attributes
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
      case name, axis, values, attributes
    }
  }
}

/// The value of an attribute: text or numbers, one or several.
public enum FieldAttribute: Codable, Sendable, Equatable {
  case text(String)
  case number(Double)
  case texts([String])
  case numbers([Double])

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let numbers = try? container.decode([Double].self) {
      self = .numbers(numbers)
    } else {
      self = .texts(try container.decode([String].self))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .text(let text): try container.encode(text)
    case .texts(let texts): try container.encode(texts)
    // JSON cannot represent NaN and infinity.
    case .number(let number) where !number.isFinite: try container.encode("\(number)")
    case .number(let number): try container.encode(number)
    case .numbers(let numbers) where !numbers.allSatisfy(\.isFinite):
      try container.encode(numbers.map { "\($0)" })
    case .numbers(let numbers): try container.encode(numbers)
    }
  }
}
