/// The validated labels of images from another program.
struct LabelList: Sendable {
  let labels: [Int32]
  let classNames: [String]

  /// An array with more classes than this is probably not labels.
  private static let classLimit = 1 << 16

  /// - Parameters:
  ///   - array: integers, one for each of `count` images, -1 for none: [N], [N, 1] or [1, N].
  ///   - classNames: nil uses the label numbers.
  /// - Throws: `DatasetError` if the number of labels differs from `count`, or a label is outside the classes.
  init(_ array: any NumberArray, count: Int, classNames: [String]?) throws {
    let place = array.place
    guard array.shape == [count] || array.shape == [count, 1] || array.shape == [1, count] else {
      let shape = array.isReversed ? array.shape.reversed() : array.shape
      throw DatasetError.badData(
        place, "has the shape \(shape), expected [\(count)] of labels, a label for each image")
    }
    guard let size = array.type.byteCount else {
      throw DatasetError.badData(place, "holds elements of type \(array.type), expected whole numbers")
    }
    let classCount = classNames?.count ?? Self.classLimit
    var labels: [Int32] = []
    labels.reserveCapacity(count)
    try withUnsafeTemporaryAllocation(byteCount: count * size, alignment: 16) { bytes in
      try array.read(into: bytes, offset: array.shape.map { _ in 0 }, count: array.shape)
      for image in 0..<count {
        let value = array.type.number(at: image, in: UnsafeRawPointer(bytes.baseAddress!))
        guard let label = Int32(exactly: value), label >= -1, label < classCount else {
          throw DatasetError.badData(
            place,
            "the label of image \(image) is \(text(value)), expected \(value == value.rounded() ? "" : "a whole number from ")"
              + "-1 to \(classCount - 1)")
        }
        labels.append(label)
      }
    }
    self.labels = labels
    self.classNames = classNames ?? (0..<Int((labels.max() ?? -1) + 1)).map { "\($0)" }
  }
}

/// A number, without a fractional part if it is an integer.
func text(_ value: Double) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }
