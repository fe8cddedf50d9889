import Pictures

/// The samples of a source with conditions added to their images.
public struct ConditionedSource<Source: SampleSource>: SampleSource {
  private let source: Source
  private let conditions: [ImageCondition]
  /// Index of the images among the source's fields.
  private let image: Int

  /// - Parameter conditions: conditions of this source's images.
  /// - Throws: `DatasetError` for a condition with the name of another field.
  public init(_ source: Source, _ conditions: [ImageCondition]) throws {
    let own = source.fields
    guard let image = own.firstIndex(where: { $0.role == .image }) else {
      preconditionFailure("conditions of \(source.name), which has no images")
    }
    var names = Set(own.map(\.name))
    for name in conditions.map(\.field.name) where !names.insert(name).inserted {
      throw DatasetError.badData(
        source.name, "would have two fields \(name): a condition is called as another field")
    }
    self.source = source
    self.conditions = conditions
    self.image = image
  }

  public var name: String { source.name }
  public var split: String { source.split }
  public var count: Int { source.count }
  public var classNames: [String] { source.classNames }
  public var encoding: DatasetManifest.Encoding? { source.encoding }
  public var fields: [Field] { source.fields + conditions.map(\.field) }

  public func read(_ index: Int, into sample: SampleSlot) throws {
    try source.read(index, into: sample)
    let fields = source.fields
    let shape = fields[image].shape
    let picture = Picture(
      width: shape[1], height: shape[0], channels: shape[2], samples: Array(sample.bytes(image)))
    for (place, condition) in conditions.enumerated() {
      try condition.read(index, image: picture, into: sample.bytes(fields.count + place))
    }
  }
}

extension ConditionedSource: Sendable where Source: Sendable {}
extension ConditionedSource: ConcurrentSampleSource where Source: ConcurrentSampleSource {}
