import Datasets
import Files
import Kernels
import Pictures

/// The pictures in a folder and its subfolders, in the order of `ImageFolder`. Excludes the overviews that `oboro
/// sample` writes next to the images.
struct FolderImages: EvaluatedImages {
  let path: String
  private let files: [RawPath]

  init(_ path: String) throws {
    self.path = path
    let files = try ImageFolder(path).files.map(\.path)
    self.files = Self.withoutOverviews(files)
  }

  /// Removes `grid.png` and `denoising.gif` if all other files are numbered like samples.
  private static func withoutOverviews(_ files: [RawPath]) -> [RawPath] {
    func name(_ path: RawPath) -> String {
      path.bytes.split(separator: RawPath.slash).last.map { RawPath.text($0) } ?? ""
    }
    let images = files.filter { !["grid.png", "denoising.gif"].contains(name($0)) }
    let areSamples = images.allSatisfy { path in
      let name = name(path)
      return name.hasSuffix(".png") && name.count > 4
        && name.dropLast(4).allSatisfy { $0.isASCII && $0.isNumber }
    }
    return areSamples && !images.isEmpty ? images : files
  }

  var count: Int { files.count }
  var type: FieldType { .uint8 }

  /// The prompts that `oboro sample` writes into its files.
  var texts: [String]? {
    get throws {
      let texts = try files.map { try ImageFile.text("prompt", of: $0) }
      return texts.contains(nil) ? nil : texts.compactMap { $0 }
    }
  }

  func picture(_ index: Int) throws -> Picture {
    let file = try ImageFile(files[index])
    return try file.decode(channels: file.header.isGrey ? 1 : 3)
  }

  func read(_ index: Int, shape: ImageShape, into values: UnsafeMutableBufferPointer<Float>) throws {
    let picture = try ImageFile(files[index]).decode(channels: shape.channels)
    let found = ImageShape(height: picture.height, width: picture.width, channels: picture.channels)
    guard found == shape else {
      throw EvaluationError(path, "image \(index) has \(found), expected \(shape): it was changed")
    }
    for (place, sample) in picture.samples.enumerated() { values[place] = Float(sample) / 255 }
  }

  func commonShape(pool: ThreadPool) throws -> ImageShape {
    let headers = try pool.results(files.count) { index, _ in try ImageFile.header(of: files[index]) }
    if let other = headers.firstIndex(where: {
      $0.width != headers[0].width || $0.height != headers[0].height
    }) {
      throw EvaluationError(
        path,
        "its pictures differ in size: \(files[0]) has \(headers[0].height) x \(headers[0].width) pixels, \(files[other]) "
          + "\(headers[other].height) x \(headers[other].width); pixels are features only of pictures of one size, "
          + "Inception-v3 (--features) takes any")
    }
    return ImageShape(
      height: headers[0].height, width: headers[0].width, channels: headers.allSatisfy(\.isGrey) ? 1 : 3)
  }
}
