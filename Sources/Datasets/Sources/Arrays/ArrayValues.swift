import HDF5

/// A numeric field made from arrays: its storage type, and the conversion of its values.
struct ArrayValues {
  let field: Field

  private let variables: StackedVariables
  /// Whether the elements are stored unchanged.
  private let isCopied: Bool
  private let isMasked: Bool

  init(
    _ variables: StackedVariables, name: String, role: FieldRole, _ options: ArrayImport,
    progress: (Int) -> Void
  ) throws {
    self.variables = variables
    let types = variables.variables.map(\.array.type)
    let isPlain = variables.variables.allSatisfy(\.isPlain)
    let isNormalized = options.normalization != nil && role != .embedding && role != .mask
    let type = Self.storedType(
      types, role: role, isPacked: variables.variables.contains { $0.packing != nil },
      isNormalized: isNormalized)
    isCopied = isPlain && types.allSatisfy { $0 == type.elementType }
    isMasked = options.missing == .mask && !isPlain && role != .mask
    var field = Field(
      name: name, type: type, shape: variables.shape, role: role, maskedBy: isMasked ? "\(name)_mask" : nil)
    if isNormalized || !isPlain {
      let statistics = try Self.statistics(variables, isMasked: isMasked, progress: progress)
      field.statistics = statistics
      if isNormalized, let kind = options.normalization {
        field.normalization = try Self.normalization(kind, statistics, variables)
      } else if type == .float32 {
        try Self.requirePrecision(statistics, variables)
      }
    }
    try Self.describe(&field, variables)
    self.field = field
  }

  /// Writes the elements of a sample.
  func read(_ sample: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
    if isCopied { return try variables.copy(sample, to: bytes) }
    func fill<Element>(_: Element.Type, _ convert: (Double) -> Element?) throws {
      let elements = bytes.assumingMemoryBound(to: Element.self)
      try variables.visit(sample) { place, channel, value, error in
        // Missing values become 0; if they are not allowed, the first pass has rejected them, or the type has none.
        guard isMasked || value != nil else { throw error(Self.missingProblem) }
        let number = value.map { field.normalization?.normalized($0, channel: channel) ?? $0 } ?? 0
        guard let element = convert(number) else {
          throw error("is \(text(number)), which is no \(field.type.rawValue); give --normalize")
        }
        elements[place] = element
      }
    }
    switch field.type {
    case .uint8: try fill(UInt8.self) { UInt8(exactly: $0) }
    case .uint16: try fill(UInt16.self) { UInt16(exactly: $0) }
    case .int32: try fill(Int32.self) { Int32(exactly: $0) }
    case .float16: try fill(Float16.self) { Float16($0).isFinite ? Float16($0) : nil }
    case .float32:
      let isWhole =
        field.normalization == nil
        && variables.variables.allSatisfy {
          !$0.array.type.isFloatingPoint && $0.packing == nil
        }
      // Integers must be represented exactly, or are rejected.
      try fill(Float.self) { number in
        let value = Float(number)
        return value.isFinite && (!isWhole || Double(value) == number || !Self.isInteger(number))
          ? value : nil
      }
    case .text: preconditionFailure("text is not numeric")
    }
  }

  private static let missingProblem =
    "is missing (NaN, or what its maker wrote for it); fill it, or give --missing mask"

  private static func isInteger(_ value: Double) -> Bool { value == value.rounded() }

  /// Small types are kept; values that are normalised, packed or wider become float32.
  private static func storedType(
    _ types: [ElementType], role: FieldRole, isPacked: Bool, isNormalized: Bool
  ) -> FieldType {
    guard !isPacked, !isNormalized, let first = types.first else { return .float32 }
    let isScene = role == .image || role == .condition || role == .scalar
    if types.allSatisfy({ $0 == first }) {
      switch first {
      case .uint8: return .uint8
      case .uint16: return .uint16
      case .float16: return .float16
      default: break
      }
    }
    if !isScene, types.allSatisfy({ [.uint8, .uint16, .int8, .int16, .int32].contains($0) }) {
      return .int32
    }
    return .float32
  }

  /// Reads all values once.
  private static func statistics(
    _ variables: StackedVariables, isMasked: Bool, progress: (Int) -> Void
  ) throws -> ChannelStatistics {
    var channels = [StatisticsAccumulator](repeating: StatisticsAccumulator(), count: variables.channelCount)
    for sample in 0..<variables.count {
      try channels.withUnsafeMutableBufferPointer { channels in
        try variables.visit(sample) { _, channel, value, error in
          if let value {
            channels[channel].add(value)
          } else if !isMasked {
            throw error(missingProblem)
          }
        }
      }
      progress(sample + 1)
    }
    if let empty = channels.firstIndex(where: { $0.count == 0 }) {
      throw DatasetError.badData(
        variables.variable(of: empty).array.place, "every value is missing (channel \(empty) of the stack)")
    }
    return ChannelStatistics(
      count: channels.map(\.count), minimum: channels.map(\.minimum), maximum: channels.map(\.maximum),
      mean: channels.map(\.mean), deviation: channels.map(\.deviation))
  }

  private static func normalization(
    _ kind: Normalization.Kind, _ statistics: ChannelStatistics, _ variables: StackedVariables
  ) throws -> Normalization {
    let normalization = Normalization(kind, statistics)
    for (channel, scale) in normalization.scale.enumerated() where !(scale > 0 && scale.isFinite) {
      let (least, greatest) = (statistics.minimum[channel], statistics.maximum[channel])
      guard least == greatest else {
        throw DatasetError.badData(
          variables.variable(of: channel).array.place,
          "has values from \(least) to \(greatest) (channel \(channel) of the stack), whose squares double precision "
            + "does not hold; bring it to other units")
      }
      throw DatasetError.badData(
        variables.variable(of: channel).array.place,
        "is constant, \(text(statistics.minimum[channel])) in all samples (channel \(channel) of the stack), and "
          + "cannot be normalized; leave it out, or give no --normalize")
    }
    return normalization
  }

  /// Rejects values whose differences float32 cannot resolve.
  private static func requirePrecision(_ statistics: ChannelStatistics, _ variables: StackedVariables) throws
  {
    for channel in statistics.mean.indices where variables.variable(of: channel).array.type != .float32 {
      let largest = max(abs(statistics.minimum[channel]), abs(statistics.maximum[channel]))
      let (deviation, unit) = (statistics.deviation[channel], Double(Float(largest).ulp))
      guard deviation == 0 || deviation >= 16 * unit else {
        throw DatasetError.badData(
          variables.variable(of: channel).array.place,
          "has the deviation \(deviation) at values up to \(largest), which float32 keeps to \(unit) only "
            + "(channel \(channel) of the stack); give --normalize standard")
      }
    }
  }

  /// Copies the metadata of the source arrays.
  private static func describe(_ field: inout Field, _ variables: StackedVariables) throws {
    let first = variables.variables[0]
    let all = variables.variables
    // A single array of bytes is a plain picture, without metadata.
    if all.count > 1 || !first.attributes.isEmpty || field.statistics != nil {
      field.variables = all.map {
        Field.Variable(name: $0.array.name, channels: $0.layout.shape.last ?? 1, attributes: $0.attributes)
      }
    }
    var coordinates: [Field.Coordinate] = []
    for (axis, fileAxis) in first.layout.fileAxes.enumerated() {
      // Stacked channels do not share the coordinates of the first array's.
      guard let fileAxis, axis < field.shape.count - 1 || all.count == 1,
        let found = try first.array.coordinates(axis: fileAxis)
      else { continue }
      coordinates.append(
        Field.Coordinate(name: found.name, axis: axis, values: found.values, attributes: found.attributes))
    }
    if !coordinates.isEmpty { field.coordinates = coordinates }
  }
}
