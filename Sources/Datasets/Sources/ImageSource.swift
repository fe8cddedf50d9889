/// Byte images with one label each, the most common kind of source.
public protocol ImageSource: SampleSource {
  var height: Int { get }
  var width: Int { get }
  var channels: Int { get }

  /// Writes image `index` to `pixels` `[H, W, C]` and returns its label, -1 for none. Sequential access is fast.
  ///
  /// - Throws: `DatasetError` if the image cannot be read.
  func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32
}

/// Images that any number of threads may read concurrently.
public protocol ConcurrentImageSource: ImageSource, ConcurrentSampleSource {}

extension ImageSource {
  /// The size of one image in bytes.
  public var imageSize: Int { height * width * channels }

  public var fields: [Field] { [.images(height: height, width: width, channels: channels), .labels] }

  public func read(_ index: Int, into sample: SampleSlot) throws {
    let label = try read(index, into: sample.bytes(0).assumingMemoryBound(to: UInt8.self))
    sample.bytes(1).storeBytes(of: label, as: Int32.self)
  }
}

/// The part of a dataset for training, or the part held out for testing.
public enum Split: String, Sendable, CaseIterable {
  case train, test
}

/// The images of another source, each centred in a larger black square.
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
