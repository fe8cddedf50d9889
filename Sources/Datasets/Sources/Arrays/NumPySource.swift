import Foundation

/// Images and labels in NumPy's files: one array (`.npy`), or several in an archive (`.npz`).
public final class NumPySource: ImageSource {
  public let name: String
  public let split: String
  public let classNames: [String]
  public var count: Int { layout.count }
  public var height: Int { layout.height }
  public var width: Int { layout.width }
  public var channels: Int { layout.channels }

  private let images: NumPyArray
  private let layout: ArrayLayout
  private let labels: [Int32]
  private var image: [UInt8]

  /// - Parameters:
  ///   - path: the images, uint8 [N, H, W] or [N, H, W, C], or the archive that holds them.
  ///   - imagesName: the images' array in an archive; nil for `images`.
  ///   - labels: the labels' array in the archive, or the path of an array, whole numbers [N] or [N, 1]; nil for
  ///     `labels` of the archive, if it has that.
  ///   - classNames: nil for the labels' numbers.
  ///   - isChannelsFirst: whether the images are [N, C, H, W].
  /// - Throws: `DatasetError` naming file and array for what is missing, damaged or of another kind.
  public init(
    _ path: String, imagesName: String? = nil, labels: String? = nil, classNames: [String]? = nil,
    isChannelsFirst: Bool = false, name: String, split: Split
  ) throws {
    let file = try ReadableFile(path)
    let start = try file.bytes(min(file.size, 4), at: 0)
    let archive = start.starts(with: [0x50, 0x4B]) ? try ZipArchive(file) : nil
    if archive == nil, let imagesName {
      throw DatasetError.badData(path, "is no archive (.npz), so it has no array named \(imagesName)")
    }
    images = try archive.map { try Self.array(imagesName ?? "images", in: $0) } ?? NumPyArray(file)
    guard images.elementType.dropFirst() == "u1" else {
      throw DatasetError.badData(
        images.place,
        "holds elements of type \(images.elementType), expected |u1 (uint8); numbers in 0...1 become that by "
          + "(255 * array).round().astype('uint8')")
    }
    layout = try ArrayLayout(shape: images.shape, isChannelsFirst: isChannelsFirst, images.place)
    image = [UInt8](repeating: 0, count: isChannelsFirst ? layout.imageSize : 0)
    let list: LabelList
    if let array = try Self.labels(labels, in: archive) {
      guard array.shape.count == 1 || (array.shape.count == 2 && array.shape[1] == 1) else {
        throw DatasetError.badData(
          array.place, "has the shape \(array.shape), expected [\(layout.count)] of labels")
      }
      guard array.shape[0] == layout.count else {
        throw DatasetError.badData(array.place, "holds \(array.shape[0]) labels for \(layout.count) images")
      }
      list = try LabelList(array.integers(), count: layout.count, classNames: classNames, array.place)
    } else {
      list = LabelList(count: layout.count)
    }
    self.labels = list.labels
    self.classNames = list.classNames
    self.name = name
    self.split = split.rawValue
  }

  public func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    if image.isEmpty {
      try images.read(into: pixels, from: index * imageSize)
    } else {
      try image.withUnsafeMutableBufferPointer { try images.read(into: $0, from: index * imageSize) }
      image.withUnsafeBufferPointer { layout.arrange($0, into: pixels) }
    }
    return labels[index]
  }

  private static func labels(_ labels: String?, in archive: ZipArchive?) throws -> NumPyArray? {
    if let archive {
      if let inside = try archive.open("\(labels ?? "labels").npy") { return try NumPyArray(inside) }
      guard let labels else { return nil }
      guard FileManager.default.fileExists(atPath: labels) else { return try array(labels, in: archive) }
      return try NumPyArray(ReadableFile(labels))
    }
    return try labels.map { try NumPyArray(ReadableFile($0)) }
  }

  private static func array(_ name: String, in archive: ZipArchive) throws -> NumPyArray {
    guard let bytes = try archive.open("\(name).npy") else {
      let names = archive.names.map { $0.hasSuffix(".npy") ? String($0.dropLast(4)) : $0 }
      throw DatasetError.badData(
        archive.path, "holds no array named \(name), but \(names.prefix(20).joined(separator: ", "))")
    }
    return try NumPyArray(bytes)
  }
}
