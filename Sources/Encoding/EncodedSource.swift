import Datasets

/// An encoded dataset as a source for shards: latents, and all other fields of the image dataset.
struct EncodedSource: SampleSource {
  let parts: EncodedParts
  let encoding: DatasetManifest.Encoding?
  let fields: [Field]
  /// Indices in the source of the fields that follow the latents.
  private let carried: [Int]

  private var source: ShardedDataset { parts.plan.source }

  init(_ parts: EncodedParts, encoding: DatasetManifest.Encoding) {
    self.parts = parts
    self.encoding = encoding
    carried = Self.carried(parts.plan)
    fields = Self.fields(parts.plan)
  }

  /// Indices in the source of the fields carried over: all but the images and their masks.
  private static func carried(_ plan: EncodingPlan) -> [Int] {
    plan.source.fields.indices.filter { index in
      let field = plan.source.fields[index]
      return field.role != .image && field.name != plan.image.maskedBy
        && !plan.fields.contains { $0.name == field.name }
    }
  }

  /// The fields of the encoded dataset.
  static func fields(_ plan: EncodingPlan) -> [Field] {
    plan.fields + carried(plan).map { plan.source.fields[$0] }
  }

  var name: String { source.manifest.name }
  var split: String { source.manifest.split }
  var count: Int { source.count }
  var classNames: [String] { source.classNames }

  func read(_ index: Int, into sample: SampleSlot) throws {
    let plan = parts.plan
    let part = index / plan.partSize
    let records = try parts.records(of: part)
    var start = (index - part * plan.partSize) * plan.recordSize
    for (number, field) in plan.fields.enumerated() {
      let size = field.byteCount ?? 0
      records.withUnsafeBytes {
        sample.bytes(number).copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + size]))
      }
      start += size
    }
    for (number, place) in carried.enumerated() {
      let target = plan.fields.count + number
      if fields[target].type == .text {
        sample.set(try source.text(index, field: place), field: target)
      } else {
        try source.read(index, field: place, into: sample.bytes(target))
      }
    }
  }
}
