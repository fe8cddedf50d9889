import HDF5

/// Images and labels in datasets of an HDF5 file, of whatever layout.
public final class HDF5Source: ImageSource {
  public let name: String
  public let split: String
  public let classNames: [String]
  public var count: Int { layout.count }
  public var height: Int { layout.height }
  public var width: Int { layout.width }
  public var channels: Int { layout.channels }

  private let images: Dataset
  private let layout: ArrayLayout
  private let labels: [Int32]
  /// Images read together, since the library unpacks whole chunks at a time.
  private var block: [UInt8] = []
  private var blockRange = 0..<0

  /// About how much to read at once.
  private static let blockBytes = 16 << 20

  /// - Parameters:
  ///   - imagesName: the path in the file of the images, uint8 [N, H, W] or [N, H, W, C].
  ///   - labelsName: that of the labels, whole numbers [N] or [N, 1]; nil if there are none.
  ///   - classNames: nil for the labels' numbers.
  ///   - isChannelsFirst: whether the images are [N, C, H, W].
  /// - Throws: `DatasetError` naming file and dataset for what is missing, damaged or of another kind.
  public init(
    _ path: String, imagesName: String, labelsName: String? = nil, classNames: [String]? = nil,
    isChannelsFirst: Bool = false, name: String, split: Split
  ) throws {
    // Says it better if there is no such file.
    _ = try ReadableFile(path)
    (images, layout, labels, self.classNames) = try Self.mapping(path) {
      let root = try File(opening: path).root
      let images = try root.dataset(imagesName)
      let place = "\(path), \(images.path)"
      guard images.elementType == .uint8 else {
        throw DatasetError.badData(place, "holds elements of type \(images.elementType), expected uint8")
      }
      guard try !images.isVirtual() else {
        throw DatasetError.badData(
          place,
          "is spread over other files (virtual), of which what is missing reads as black; copy it into one file"
        )
      }
      let layout = try ArrayLayout(shape: images.shape, isChannelsFirst: isChannelsFirst, place)
      let list =
        try labelsName.map { try Self.labels(root.dataset($0), layout.count, classNames, path) }
        ?? LabelList(count: layout.count)
      return (images, layout, list.labels, list.classNames)
    }
    self.name = name
    self.split = split.rawValue
  }

  public func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    if !blockRange.contains(index) {
      let length = max(1, Self.blockBytes / imageSize)
      let range = index..<min(index + length, count)
      block = try Self.mapping(images.path) {
        try [UInt8](unsafeUninitializedCapacity: range.count * imageSize) { buffer, filled in
          try images.read(
            into: UnsafeMutableBufferPointer(rebasing: buffer[..<(range.count * imageSize)]),
            offset: [range.lowerBound] + images.shape.dropFirst().map { _ in 0 },
            count: [range.count] + images.shape.dropFirst())
          filled = range.count * imageSize
        }
      }
      blockRange = range
    }
    block.withUnsafeBufferPointer { block in
      let start = (index - blockRange.lowerBound) * imageSize
      layout.arrange(UnsafeBufferPointer(rebasing: block[start..<start + imageSize]), into: pixels)
    }
    return labels[index]
  }

  private static func labels(
    _ dataset: Dataset, _ count: Int, _ classNames: [String]?, _ path: String
  ) throws -> LabelList {
    let place = "\(path), \(dataset.path)"
    let shape = dataset.shape
    guard shape == [count] || shape == [count, 1] else {
      throw DatasetError.badData(place, "has the shape \(shape), expected [\(count)], a label for each image")
    }
    let values: [Int64] =
      switch dataset.elementType {
      case .uint8: try dataset.read(as: UInt8.self).map(Int64.init)
      case .int32: try dataset.read(as: Int32.self).map(Int64.init)
      case .int64: try dataset.read()
      default:
        throw DatasetError.badData(
          place, "holds elements of type \(dataset.elementType), expected uint8, int32 or int64")
      }
    return try LabelList(values, count: count, classNames: classNames, place)
  }

  /// The library's errors name file and dataset themselves.
  private static func mapping<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as HDF5Error {
      let place = error.object.map { "\(error.file), \($0)" } ?? error.file
      let text = "\(error)"
      let problem = text.hasPrefix("\(place): ") ? String(text.dropFirst(place.count + 2)) : text
      throw DatasetError.badData(place, problem)
    }
  }
}
