/// Reads fields of samples in the form that a network sees.
struct FieldReader: Sendable {
  /// A requested field with its index in the dataset.
  private struct Request: Sendable {
    let index: Int
    let field: Field
    /// nil for int32 and text, which are not converted.
    let conversion: FieldConversion?
    /// Index of the field with the values of mirrored images.
    let flippedIndex: Int?

    /// Index of the field to read for a sample.
    func index(isFlipped: Bool) -> Int { isFlipped ? flippedIndex ?? index : index }
    /// Whether the values must be mirrored for a mirrored sample.
    var isMirrored: Bool { flippedIndex == nil && field.role.isMirrored }
  }

  private let dataset: ShardedDataset
  private let requests: [Result<Request, DatasetError>]

  /// - Parameter fields: fields to read; nil for the images and, if present, their labels.
  init(_ dataset: ShardedDataset, fields: [FieldRequest]?) {
    self.dataset = dataset
    let usual = [FieldRole.image, .label].compactMap { dataset.manifest.field($0) }
    // A missing field is reported by the first step, like any other read error.
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
  ///   - indices: indices of the samples in the dataset.
  ///   - flips: whether to mirror each of them.
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
