import Datasets
import Files

/// How the encoding of a dataset is split into parts, and what the latents of each depend on. Independent of the ranks
/// that share the work.
struct EncodingPlan {
  let source: ShardedDataset
  let image: Field
  let imageIndex: Int
  /// The fields of the latents.
  let fields: [Field]
  /// Samples per part; the last part may be smaller.
  let partSize: Int
  private let settings: String

  /// An interruption loses at most the work for this many pixels.
  private static let pixelsOfPart = 1 << 22
  private static let mostSamples = 1024
  /// Must be raised whenever the same images yield different results.
  private static let version = 1

  /// - Throws: `DatasetError` for a dataset without images; `ModelError` if they do not fit the autoencoder.
  init(_ source: ShardedDataset, _ encoder: LatentEncoder, _ options: EncodingOptions) throws {
    let image = try source.requireImages()
    guard image.type != .int32 else {
      throw LatentEncodingError(
        path: source.directory,
        problem: "has images of int32, expected bytes, words or floating-point numbers")
    }
    try encoder.model.check(height: image.shape[0], width: image.shape[1], channels: image.shape[2])
    self.source = source
    self.image = image
    imageIndex = try source.index(of: image.name)
    fields = options.fields(shape: encoder.latentShape(of: image.shape))
    partSize = max(1, min(Self.mostSamples, Self.pixelsOfPart / (image.shape[0] * image.shape[1])))
    let normalization = image.normalization.map { "\($0.offset) \($0.scale) \($0.isStored)" } ?? "none"
    settings =
      "latents \(Self.version)\n\(encoder.digest)\n\(options.type.rawValue) \(options.withFlips)\n"
      + "\(image.type.rawValue) \(image.shape) \(normalization)\n"
  }

  var partCount: Int { (source.count + partSize - 1) / partSize }

  func samples(of part: Int) -> Range<Int> {
    part * partSize..<min((part + 1) * partSize, source.count)
  }

  /// Bytes of a sample's latents, over all fields.
  var recordSize: Int { fields.reduce(0) { $0 + ($1.byteCount ?? 0) } }

  /// A digest of everything that determines the latents of a part: images, autoencoder, settings.
  ///
  /// - Throws: `DatasetError` if an image cannot be read.
  func key(of part: Int) throws -> String {
    let stream = SHA256.Stream()
    Array(settings.utf8).withUnsafeBytes { stream.append($0) }
    try withUnsafeTemporaryAllocation(byteCount: image.byteCount ?? 0, alignment: 16) { bytes in
      for sample in samples(of: part) {
        try source.read(sample, field: imageIndex, into: bytes)
        stream.append(UnsafeRawBufferPointer(bytes))
      }
    }
    return stream.finish()
  }
}
