import Files
import Pictures

/// A condition of images, for training a control network: a field of pictures.
public struct ImageCondition: Sendable {
  private enum Origin: Sendable {
    case filter(PictureFilter)
    case pictures(ImageFolderSource)
  }

  /// The condition's field.
  let field: Field
  private let origin: Origin

  /// Conditions computed from the images by a filter.
  ///
  /// - Parameters:
  ///   - name: name of the field.
  ///   - source: source of the images.
  /// - Throws: `DatasetError` if the images are not pictures.
  public init(_ filter: PictureFilter, name: String, of source: any SampleSource) throws {
    let shape = try Self.pictureShape(of: source)
    field = Self.field(name, height: shape[0], width: shape[1], channels: filter.channels(of: shape[2]))
    origin = .filter(filter)
  }

  /// Pictures from another folder, matched to the images by name and resized to their size.
  ///
  /// - Parameters:
  ///   - name: name of the field.
  ///   - progress: called periodically, on any thread, with the number of pictures inspected.
  /// - Throws: `DatasetError` if an image has no match, or none of the files are pictures.
  public init(
    picturesIn directory: String, name: String, of source: ImageFolderSource, threadCount: Int = 1,
    progress: (Int) -> Void = { _ in }
  ) throws {
    let folder = try ImageFolder(ImageFolder(directory), matching: source.folder)
    let pictures = try ImageFolderSource(
      folder, name: name, split: .train,
      form: ImageFolderSource.Form(size: (source.height, source.width), background: .black),
      threadCount: threadCount, progress: progress)
    field = Self.field(name, height: source.height, width: source.width, channels: pictures.channels)
    origin = .pictures(pictures)
  }

  private static func field(_ name: String, height: Int, width: Int, channels: Int) -> Field {
    Field(name: name, type: .uint8, shape: [height, width, channels], role: .condition)
  }

  /// [H, W, C] of byte images.
  private static func pictureShape(of source: any SampleSource) throws -> [Int] {
    guard let image = source.fields.first(where: { $0.role == .image }), image.type == .uint8,
      [1, 3].contains(image.shape[2])
    else {
      throw DatasetError.badData(
        source.name, "has no images of bytes with 1 or 3 channels, which a condition could be made of")
    }
    return image.shape
  }

  /// Writes the condition of image `index`, [H, W, C], to `bytes`.
  ///
  /// - Parameter image: the image itself.
  /// - Throws: `DatasetError` for a picture that cannot be read.
  func read(_ index: Int, image: Picture, into bytes: UnsafeMutableRawBufferPointer) throws {
    switch origin {
    case .filter(let filter): bytes.copyBytes(from: filter(image).samples)
    case .pictures(let pictures):
      _ = try pictures.read(index, into: bytes.assumingMemoryBound(to: UInt8.self))
    }
  }
}
