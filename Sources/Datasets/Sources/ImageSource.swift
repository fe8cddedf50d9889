/// Images that a dataset can be made from, whatever they lie in.
public protocol ImageSource {
  /// The dataset's name.
  var name: String { get }
  /// Which part of the dataset this is.
  var split: String { get }
  var count: Int { get }
  var height: Int { get }
  var width: Int { get }
  var channels: Int { get }
  /// The name of each label, 0 first; none if the images have no labels.
  var classNames: [String] { get }

  /// Writes image `index` to `pixels` `[H, W, C]` and returns its label, -1 for none. Reading in order is fast.
  ///
  /// - Throws: `DatasetError` if the image cannot be read.
  func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32
}

/// Images that any number of threads may read at once.
public protocol ConcurrentImageSource: ImageSource, Sendable {}

extension ImageSource {
  /// The bytes of one image.
  public var imageSize: Int { height * width * channels }
}

/// The part of a dataset to train on, or the part that is kept back to test.
public enum Split: String, Sendable, CaseIterable {
  case train, test
}

/// The images of another source, each in the middle of a larger black square.
public struct CenteredSource: ImageSource {
  private let source: any ImageSource
  private let size: Int

  /// - Parameter size: height and width, no less than the source's.
  public init(_ source: any ImageSource, size: Int) {
    precondition(
      size >= max(source.height, source.width),
      "size \(size) must be at least that of the images, \(source.height) x \(source.width)")
    self.source = source
    self.size = size
  }

  public var name: String { source.name }
  public var split: String { source.split }
  public var count: Int { source.count }
  public var height: Int { size }
  public var width: Int { size }
  public var channels: Int { source.channels }
  public var classNames: [String] { source.classNames }

  public func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    let row = source.width * channels
    return try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: source.imageSize) { image in
      let label = try source.read(index, into: image)
      pixels.update(repeating: 0)
      let (top, left) = ((size - source.height) / 2, (size - source.width) / 2)
      for y in 0..<source.height {
        let start = ((top + y) * size + left) * channels
        for x in 0..<row { pixels[start + x] = image[y * row + x] }
      }
      return label
    }
  }
}
