/// Reads fields of samples of a dataset as a network sees them.
struct FieldReader: Sendable {
  /// A field, by its place in the dataset.
  private struct Request: Sendable {
    let index: Int
    let field: Field
    /// nil for int32 and text, which stay as they are.
    let conversion: FieldConversion?
    /// The place of the field that holds the same of mirrored images.
    let flippedIndex: Int?

    /// Which field to read of a sample.
    func index(isFlipped: Bool) -> Int { isFlipped ? flippedIndex ?? index : index }
    /// Whether what was read is to be mirrored in a mirrored sample.
    var isMirrored: Bool { flippedIndex == nil && field.role.isMirrored }
  }

  private let dataset: ShardedDataset
  private let requests: [Result<Request, DatasetError>]

  /// - Parameter fields: what to read of each sample; nil for the images and, where there are any, their labels.
  init(_ dataset: ShardedDataset, fields: [FieldRequest]?) {
    self.dataset = dataset
    let usual = [FieldRole.image, .label].compactMap { dataset.manifest.field($0) }
    // A field that is missing is told of by the first step, as all else that cannot be read.
    requests = (fields ?? usual.map { FieldRequest($0.name) }).map { request in
      do {
        let index = try dataset.index(of: request.name)
        let field = dataset.fields[index]
        let isConverted = field.type != .int32 && field.type != .text
        return .success(
          Request(
            index: index, field: field,
            conversion: isConverted ? FieldConversion(field, form: request.form) : nil,
            flippedIndex: try field.flippedBy.map { try dataset.index(of: $0) }))
      } catch {
        return .failure(error as? DatasetError ?? .badData(dataset.directory, "\(error)"))
      }
    }
  }

  /// - Parameters:
  ///   - indices: the samples' places in the dataset.
  ///   - flips: which of them to mirror.
  /// - Throws: `DatasetError`.
  func read(_ indices: [Int], flips: [Bool]) throws -> [FieldBatch] {
    try requests.map { request in
      let request = try request.get()
      return FieldBatch(field: request.field, values: try read(request, indices, flips))
    }
  }

  private func read(_ request: Request, _ indices: [Int], _ flips: [Bool]) throws -> FieldBatch.Values {
    let field = request.field
    guard field.type != .text else {
      return .text(try indices.flatMap { try dataset.text($0, field: request.index) })
    }
    let (count, size) = (field.elementCount, field.byteCount ?? 0)
    guard let conversion = request.conversion else {
      return .int32(
        try [Int32](unsafeUninitializedCapacity: indices.count * count) { values, filled in
          for (place, index) in indices.enumerated() {
            let part = UnsafeMutableBufferPointer(rebasing: values[place * count..<(place + 1) * count])
            try dataset.read(index, field: request.index, into: UnsafeMutableRawBufferPointer(part))
            if flips[place] && field.role.isMirrored { mirror(part, field) }
          }
          filled = indices.count * count
        })
    }
    return .float(
      try [Float](unsafeUninitializedCapacity: indices.count * count) { values, filled in
        try withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { stored in
          for (place, index) in indices.enumerated() {
            try dataset.read(index, field: request.index(isFlipped: flips[place]), into: stored)
            conversion.convert(
              stored, to: UnsafeMutableBufferPointer(rebasing: values[place * count..<(place + 1) * count]),
              isFlipped: flips[place] && request.isMirrored)
          }
        }
        filled = indices.count * count
      })
  }

  /// Mirrors [H, W, C] in W.
  private func mirror(_ values: UnsafeMutableBufferPointer<Int32>, _ field: Field) {
    let (width, channels) = (field.shape[1], field.shape[2])
    for row in stride(from: 0, to: values.count, by: width * channels) {
      for x in 0..<width / 2 {
        let (left, right) = (row + x * channels, row + (width - 1 - x) * channels)
        for channel in 0..<channels { values.swapAt(left + channel, right + channel) }
      }
    }
  }
}
