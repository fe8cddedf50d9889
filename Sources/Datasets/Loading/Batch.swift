extension Loader {
  /// One rank's samples of one step.
  public struct Batch: Sendable {
    public let step: Int
    /// `[n]`, indices of the samples in the dataset.
    public let indices: [Int]
    /// The requested fields, in order.
    public let fields: [FieldBatch]

    /// The field of this name; nil if it was not requested.
    public subscript(name: String) -> FieldBatch? { fields.first { $0.field.name == name } }

    /// The first field of this role; nil if none was requested.
    public subscript(role: FieldRole) -> FieldBatch? { fields.first { $0.field.role == role } }

    /// `[n, H, W, C]`, the images; a pixel x in 0...255 becomes x / 127.5 - 1. Empty if they were not requested.
    public var images: [Float] { self[.image]?.floats ?? [] }

    /// `[n]`, -1 for none.
    public var labels: [Int32] {
      self[.label]?.integers ?? [Int32](repeating: -1, count: indices.count)
    }

    /// The captions of each sample, at least one; empty if they were not requested.
    public var captions: [[String]] {
      guard let field = self[.caption], let texts = field.texts else { return [] }
      let count = field.field.elementCount
      return stride(from: 0, to: texts.count, by: count).map { start in
        // Missing captions are stored as empty texts.
        let own = texts[start..<start + count].filter { !$0.isEmpty }
        return own.isEmpty ? [""] : own
      }
    }
  }
}

/// One field of a rank's samples of one step.
public struct FieldBatch: Sendable {
  /// `[n] + field.shape`, in order.
  public enum Values: Sendable, Equatable {
    case float([Float])
    case int32([Int32])
    case text([String])
  }

  public let field: Field
  public let values: Values

  package init(field: Field, values: Values) {
    self.field = field
    self.values = values
  }

  /// The values, if they are floats.
  public var floats: [Float]? { if case .float(let values) = values { values } else { nil } }
  /// The values, if they are integers.
  public var integers: [Int32]? { if case .int32(let values) = values { values } else { nil } }
  /// The values, if they are text.
  public var texts: [String]? { if case .text(let values) = values { values } else { nil } }
}

/// A field for the loader to read, and in which form.
public struct FieldRequest: Sendable, Equatable {
  public enum Form: Sendable, Equatable {
    /// For a network: integer images and conditions scaled from their type's range to [-1, 1], floating-point values
    /// normalised according to the manifest.
    case scaled
    /// The same, with integers scaled to [0, 1], for control networks.
    case unit
    /// The values stored in the shards.
    case stored
  }

  public let name: String
  public let form: Form

  public init(_ name: String, form: Form = .scaled) {
    self.name = name
    self.form = form
  }
}

extension ShardedDataset {
  /// The samples at `indices`, in that order and not mirrored.
  ///
  /// - Parameter fields: fields to read; nil for the images and, if present, their labels.
  /// - Throws: `DatasetError`.
  public func batch(_ indices: [Int], fields: [FieldRequest]? = nil) throws -> Loader.Batch {
    let reader = FieldReader(self, fields: fields)
    return Loader.Batch(
      step: 0, indices: indices,
      fields: try reader.read(indices, flips: [Bool](repeating: false, count: indices.count)))
  }
}

extension Loader.Batch {
  /// A batch that comes from no dataset, for measurements and tests.
  ///
  /// - Parameters:
  ///   - images: `[n] + shape`, as a network sees them.
  ///   - labels: `[n]`, -1 for none.
  ///   - captions: `[n]`; empty for none.
  ///   - condition: a field that the images depend on, if any.
  package init(
    step: Int, images: [Float], shape: [Int], labels: [Int32], captions: [String] = [],
    condition: FieldBatch? = nil
  ) {
    self.step = step
    indices = Array(labels.indices)
    fields =
      [
        FieldBatch(
          field: Field(name: "images", type: .float32, shape: shape, role: .image), values: .float(images)),
        FieldBatch(field: .labels, values: .int32(labels)),
        FieldBatch(field: .captions(), values: .text(captions)),
      ] + (condition.map { [$0] } ?? [])
  }
}
