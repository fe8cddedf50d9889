import Datasets

/// All latents of an encoding, whether in the store or in an earlier encoding of the same images.
final class EncodedParts {
  enum Place: Equatable {
    case stored
    /// Index of the part in the earlier dataset.
    case earlier(Int)
    case missing
  }

  let plan: EncodingPlan
  let keys: [String]
  private let places: [Place]
  private let store: PartStore
  private let earlier: ShardedDataset?
  /// The part read most recently.
  private var loaded: (part: Int, records: [UInt8])?

  init(
    _ plan: EncodingPlan, keys: [String], places: [Place], store: PartStore, earlier: ShardedDataset?
  ) {
    precondition(keys.count == plan.partCount && places.count == keys.count, "\(keys.count) keys")
    self.plan = plan
    self.keys = keys
    self.places = places
    self.store = store
    self.earlier = earlier
  }

  /// The latents of a part: per sample, those of all fields in order.
  ///
  /// - Throws: `DatasetError`, `FileError`, `LatentEncodingError`.
  func records(of part: Int) throws -> [UInt8] {
    if let loaded, loaded.part == part { return loaded.records }
    let records: [UInt8]
    switch places[part] {
    case .earlier(let number):
      guard let earlier else { preconditionFailure("part \(part) lies in no dataset") }
      records = try copied(plan.samples(of: part).count, from: earlier, number)
    case .stored, .missing: records = try store.read(keys[part])
    }
    loaded = (part, records)
    return records
  }

  private func copied(_ count: Int, from dataset: ShardedDataset, _ part: Int) throws -> [UInt8] {
    let indices = try plan.fields.map { try dataset.index(of: $0.name) }
    return try [UInt8](unsafeUninitializedCapacity: count * plan.recordSize) { buffer, filled in
      let memory = UnsafeMutableRawBufferPointer(buffer)
      var start = 0
      for sample in 0..<count {
        for (index, field) in zip(indices, plan.fields) {
          let size = field.byteCount ?? 0
          try dataset.read(
            part * plan.partSize + sample, field: index,
            into: UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + size]))
          start += size
        }
      }
      filled = start
    }
  }
}
