import Files
import Pictures

/// What an image is shown with, to a network that learns to be controlled by it: a field of pictures.
public struct ImageCondition: Sendable {
  private enum Origin: Sendable {
    case filter(PictureFilter)
    case pictures(ImageFolderSource)
  }

  /// Of the field.
  let field: Field
  private let origin: Origin

  /// What a filter makes of images.
  ///
  /// - Parameters:
  ///   - name: of the field.
  ///   - source: of the images.
  /// - Throws: `DatasetError` for images that are no pictures.
  public init(_ filter: PictureFilter, name: String, of source: any SampleSource) throws {
    let shape = try Self.pictureShape(of: source)
    field = Self.field(name, height: shape[0], width: shape[1], channels: filter.channels(of: shape[2]))
    origin = .filter(filter)
  }

  /// Pictures of another folder, each of the same name as the image's; brought to the same size.
  ///
  /// - Parameters:
  ///   - name: of the field.
  ///   - progress: called every so often, on any thread, with how many have been looked at.
  /// - Throws: `DatasetError` if an image has none, or all are of something else.
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

  /// [H, W, C] of images of bytes.
  private static func pictureShape(of source: any SampleSource) throws -> [Int] {
    guard let image = source.fields.first(where: { $0.role == .image }), image.type == .uint8,
      [1, 3].contains(image.shape[2])
    else {
      throw DatasetError.badData(
        source.name, "has no images of bytes with 1 or 3 channels, which a condition could be made of")
    }
    return image.shape
  }

  /// Writes that of image number `index` [H, W, C] to `bytes`.
  ///
  /// - Parameter image: its own bytes.
  /// - Throws: `DatasetError` for a picture that cannot be read.
  func read(_ index: Int, image: Picture, into bytes: UnsafeMutableRawBufferPointer) throws {
    switch origin {
    case .filter(let filter): bytes.copyBytes(from: filter(image).samples)
    case .pictures(let pictures):
      _ = try pictures.read(index, into: bytes.assumingMemoryBound(to: UInt8.self))
    }
  }
}
