import Foundation

/// MNIST, or a dataset in its format: grey images and labels in a pair of IDX files, gzip or plain.
public final class IDXSource: ImageSource {
  /// The dataset in the files, which do not name it themselves.
  public enum Collection: String, Sendable, CaseIterable {
    case fashionMNIST = "fashion-mnist"
    case mnist

    var classNames: [String] {
      switch self {
      case .fashionMNIST:
        // Xiao, Rasul, Vollgraf, "Fashion-MNIST", 2017, table 1.
        [
          "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
          "Ankle boot",
        ]
      case .mnist: (0...9).map { "\($0)" }
      }
    }
  }

  public let name: String
  public let split: String
  public let classNames: [String]
  public let channels = 1
  public var count: Int { images.dimensions[0] }
  public var height: Int { images.dimensions[1] }
  public var width: Int { images.dimensions[2] }

  private let images: IDXFile
  private let labels: [UInt8]

  /// Opens and checks the files of `split` in `directory`.
  ///
  /// - Throws: `DatasetError` naming the file if one is missing, damaged or inconsistent.
  public init(_ collection: Collection, directory: String, split: Split) throws {
    let prefix = split == .train ? "train" : "t10k"
    images = try IDXFile(
      Self.find("\(prefix)-images-idx3-ubyte", in: directory), rank: 3, content: "images")
    let labels = try IDXFile(
      Self.find("\(prefix)-labels-idx1-ubyte", in: directory), rank: 1, content: "labels")
    guard labels.dimensions[0] == images.dimensions[0] else {
      throw DatasetError.badData(
        labels.path,
        "holds \(labels.dimensions[0]) labels, but \(images.path) holds \(images.dimensions[0]) images")
    }
    let labelCount = labels.dimensions[0]
    self.labels = try [UInt8](unsafeUninitializedCapacity: labelCount) { buffer, initializedCount in
      try labels.read(into: UnsafeMutableBufferPointer(rebasing: buffer[..<labelCount]), from: 0)
      initializedCount = labelCount
    }
    name = collection.rawValue
    self.split = split.rawValue
    classNames = collection.classNames
    let classCount = collection.classNames.count
    if let image = self.labels.firstIndex(where: { $0 >= classCount }) {
      throw DatasetError.badData(
        labels.path,
        "the label of image \(image) is \(self.labels[image]), expected 0 to \(classCount - 1) as in \(name)")
    }
  }

  public func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    try images.read(into: pixels, from: index * imageSize)
    return Int32(labels[index])
  }

  /// The path of `name` in `directory`, compressed or not.
  private static func find(_ name: String, in directory: String) throws -> String {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: directory, isDirectory: &isDirectory), isDirectory.boolValue
    else {
      throw DatasetError.badData(
        directory, "is not a directory; expected one that holds \(name).gz or \(name)")
    }
    let candidates = ["\(name).gz", name]
    for candidate in candidates {
      let path = filePath(directory, candidate)
      if FileManager.default.fileExists(atPath: path) { return path }
    }
    throw DatasetError.badData(directory, "holds none of \(candidates.joined(separator: ", "))")
  }
}
