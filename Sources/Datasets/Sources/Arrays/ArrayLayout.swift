/// How the images of an array made elsewhere lie in it.
struct ArrayLayout: Sendable {
  let count: Int
  let height: Int
  let width: Int
  let channels: Int
  /// [C, H, W] rather than [H, W, C].
  private let isChannelsFirst: Bool

  var imageSize: Int { height * width * channels }

  /// - Parameters:
  ///   - shape: [N, H, W], [N, H, W, C], or [N, C, H, W] where `isChannelsFirst`.
  ///   - place: what an error names.
  /// - Throws: `DatasetError` for a shape that is none of images.
  init(shape: [Int], isChannelsFirst: Bool, _ place: String) throws {
    let expected = isChannelsFirst ? "[N, C, H, W]" : "[N, H, W] or [N, H, W, C]"
    guard shape.count == 4 || (shape.count == 3 && !isChannelsFirst), shape.allSatisfy({ $0 > 0 }),
      shape.checkedProduct() != nil
    else { throw DatasetError.badData(place, "has the shape \(shape), expected \(expected) of images") }
    count = shape[0]
    if shape.count == 3 {
      (height, width, channels) = (shape[1], shape[2], 1)
    } else if isChannelsFirst {
      (channels, height, width) = (shape[1], shape[2], shape[3])
    } else {
      (height, width, channels) = (shape[1], shape[2], shape[3])
    }
    self.isChannelsFirst = isChannelsFirst
    guard channels == 1 || channels == 3 else {
      let looksOther = isChannelsFirst ? [1, 3].contains(shape[3]) : [1, 3].contains(shape[1])
      let advice =
        !looksOther
        ? "" : isChannelsFirst ? "; leave out --channels-first" : "; for [N, C, H, W] give --channels-first"
      throw DatasetError.badData(
        place, "has \(channels) channels by its shape \(shape), expected 1 or 3 in \(expected)\(advice)")
    }
  }

  /// Puts an image as the array has it into the order [H, W, C].
  func arrange(_ image: UnsafeBufferPointer<UInt8>, into pixels: UnsafeMutableBufferPointer<UInt8>) {
    guard isChannelsFirst && channels > 1 else {
      _ = pixels.update(fromContentsOf: image)
      return
    }
    let plane = height * width
    for channel in 0..<channels {
      for pixel in 0..<plane { pixels[pixel * channels + channel] = image[channel * plane + pixel] }
    }
  }
}

/// The labels of images from elsewhere, checked.
struct LabelList: Sendable {
  let labels: [Int32]
  let classNames: [String]

  /// More classes than that are more likely something else than labels.
  private static let classLimit = 1 << 16

  /// No labels.
  init(count: Int) {
    labels = [Int32](repeating: -1, count: count)
    classNames = []
  }

  /// - Parameters:
  ///   - values: one for each of `count` images, -1 for none.
  ///   - classNames: nil for the labels' numbers.
  ///   - place: what an error names.
  /// - Throws: `DatasetError` if there are too few or too many, or one is outside the classes.
  init(_ values: [Int64], count: Int, classNames: [String]?, _ place: String) throws {
    guard values.count == count else {
      throw DatasetError.badData(place, "holds \(values.count) labels for \(count) images")
    }
    let classCount = classNames?.count ?? Self.classLimit
    if let image = values.firstIndex(where: { $0 < -1 || $0 >= classCount }) {
      throw DatasetError.badData(
        place, "the label of image \(image) is \(values[image]), expected -1 to \(classCount - 1)")
    }
    labels = values.map(Int32.init)
    self.classNames = classNames ?? (0..<Int((labels.max() ?? -1) + 1)).map { "\($0)" }
  }
}
