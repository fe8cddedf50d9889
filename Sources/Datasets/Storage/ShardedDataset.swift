import Files
import Foundation
import Settings

/// A dataset open for reading. Any number of threads may read concurrently without blocking each other.
public final class ShardedDataset: Sendable {
  public let directory: String
  public let manifest: DatasetManifest
  /// A digest of the whole content, from the manifest.
  public let digest: String

  private let shards: [Shard]
  /// The first sample of each shard, and one past the last.
  private let bounds: [Int]

  /// Opens the dataset in `directory`. Shards are not inspected until they are needed; `check()` inspects them all, and
  /// `verify()` reads them.
  ///
  /// - Parameter openFileLimit: maximum number of open shards; nil for a share of the process's limit.
  /// - Throws: `DatasetError` naming the file if the manifest or a shard is missing, or the manifest is invalid.
  public init(directory: String, openFileLimit: Int? = nil) throws {
    let file = try DatasetManifest.open(directory)
    let manifest = try DatasetManifest(file: file)
    try Self.requireShards(directory, manifest)
    self.directory = directory
    self.manifest = manifest
    digest = manifest.digest
    let files = OpenFiles(capacity: openFileLimit)
    let manifestFile = ManifestFile(directory: directory, identity: file.identity)
    shards = manifest.shards.enumerated().map { number, entry in
      Shard(
        path: filePath(directory, entry.file), number: number, count: entry.count, fields: manifest.fields,
        classCount: manifest.classNames.count, files: files, manifest: manifestFile)
    }
    bounds = manifest.shards.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
  }

  /// The number of samples.
  public var count: Int { manifest.count }
  public var fields: [Field] { manifest.fields }
  public var classNames: [String] { manifest.classNames }

  /// The index into `fields` of the field with this name.
  ///
  /// - Throws: `DatasetError` listing the existing fields if there is none.
  public func index(of name: String) throws -> Int {
    if let index = fields.firstIndex(where: { $0.name == name }) { return index }
    let names = fields.map(\.name)
    let meant = NearestKey.among(names, to: name).map { " (\($0)?)" } ?? ""
    throw DatasetError.badData(
      directory, "has no field \(name)\(meant), but \(names.joined(separator: ", "))")
  }

  /// The images to train on.
  ///
  /// - Throws: `DatasetError` if there are none.
  public func requireImages() throws -> Field {
    if let field = manifest.field(.image) { return field }
    let fields = fields.map { "\($0.name) (\($0.role.rawValue))" }.joined(separator: ", ")
    let advice =
      manifest.encoding.map { "; denoisers work on latents with autoencoder.path, such as \($0.autoencoder)" }
      ?? ""
    throw DatasetError.badData(directory, "has no images, but \(fields)\(advice)")
  }

  /// `[H, W, C]` of the images, all 0 if there are none.
  public var imageShape: [Int] { manifest.field(.image)?.shape ?? [0, 0, 0] }
  /// `[H, W, C]` of a denoiser's input: images, or otherwise latents.
  public var sampleShape: [Int] {
    manifest.field(.image)?.shape ?? manifest.field(.latentMean)?.shape ?? [0, 0, 0]
  }
  public var height: Int { imageShape[0] }
  public var width: Int { imageShape[1] }
  public var channels: Int { imageShape[2] }
  /// The size of one image in bytes.
  public var imageSize: Int { manifest.field(.image)?.byteCount ?? 0 }

  /// Reads field `field`, an index into `fields`, of sample `index` into `bytes`: its elements in order, little-endian.
  ///
  /// - Throws: `DatasetError` if the shard cannot be read, has changed since the dataset was opened, or holds a label
  ///   outside the classes.
  public func read(_ index: Int, field: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
    precondition(
      bytes.count == fields[field].byteCount,
      "\(fields[field].name) has \(fields[field].byteCount ?? 0) bytes, the buffer \(bytes.count)")
    let (shard, place) = shard(of: index)
    try shard.read(place, field: field, into: bytes)
  }

  /// Reads the text field `field` of sample `index`: one string per element of the field's shape.
  public func text(_ index: Int, field: Int) throws -> [String] {
    precondition(fields[field].type == .text, "\(fields[field].name) is no text")
    let (shard, place) = shard(of: index)
    return try shard.text(place, field: field)
  }

  /// Reads byte image `index` into `pixels` `[H, W, C]` and returns its label, -1 for none.
  ///
  /// - Throws: the errors of `read(_:field:into:)`.
  public func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    guard let image = fields.firstIndex(where: { $0.role == .image }), fields[image].type == .uint8 else {
      throw DatasetError.badData(directory, "has no images of bytes")
    }
    try read(index, field: image, into: UnsafeMutableRawBufferPointer(pixels))
    guard let field = fields.firstIndex(where: { $0.role == .label }) else { return -1 }
    var label: Int32 = -1
    try withUnsafeMutableBytes(of: &label) { try read(index, field: field, into: $0) }
    return label
  }

  /// Inspects every shard: it must exist, be complete and match the manifest. The work may be split into parts.
  ///
  /// - Throws: `DatasetError` naming the first shard that does not.
  public func check(part: Int = 0, of parts: Int = 1) throws {
    precondition(part >= 0 && part < parts, "part \(part) of \(parts)")
    for shard in stride(from: part, to: shards.count, by: parts) { try shards[shard].check() }
  }

  /// Reads every shard and compares its digest with the manifest's. The work may be split into parts.
  ///
  /// - Parameters:
  ///   - part: index of the part to read.
  ///   - parts: number of parts.
  /// - Throws: `DatasetError` naming all altered shards of the part.
  public func verify(part: Int = 0, of parts: Int = 1) throws {
    precondition(part >= 0 && part < parts, "part \(part) of \(parts)")
    let altered = try manifest.shards.enumerated().filter { index, shard in
      guard index % parts == part else { return false }
      return try DatasetError.mapping {
        try SHA256.digest(ofFile: filePath(directory, shard.file)) != shard.sha256.lowercased()
      }
    }
    guard altered.isEmpty else {
      let names = altered.map(\.element.file).joined(separator: ", ")
      throw DatasetError.badData(
        directory, "not what was written, by their SHA-256: \(names); make the dataset anew")
    }
  }

  /// All shards must exist. Additional ones indicate that the directory holds parts of two datasets.
  private static func requireShards(_ directory: String, _ manifest: DatasetManifest) throws {
    let names: Set<String>
    do {
      names = Set(try FileManager.default.contentsOfDirectory(atPath: directory))
    } catch {
      throw DatasetError(FileError("list", directory, cause: error))
    }
    if let missing = manifest.shards.first(where: { !names.contains($0.file) }) {
      throw DatasetError.system(filePath(directory, missing.file), "open it", code: ENOENT)
    }
    let foreign = names.filter { $0.hasSuffix(".h5") && !$0.hasPrefix(".") }
      .subtracting(manifest.shards.map(\.file)).sorted()
    guard foreign.isEmpty else {
      let more = foreign.count > 3 ? " and \(foreign.count - 3) more" : ""
      throw DatasetError.badData(
        directory,
        "holds files that its \(DatasetManifest.fileName) does not name: "
          + "\(foreign.prefix(3).joined(separator: ", "))\(more); move them away, or make the dataset anew")
    }
  }

  /// The shard of sample `index`, and the sample's index in it.
  private func shard(of index: Int) -> (shard: Shard, place: Int) {
    precondition(index >= 0 && index < count, "sample \(index) is not in 0..<\(count)")
    var (low, high) = (0, shards.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if bounds[middle] <= index { low = middle } else { high = middle }
    }
    return (shards[low], index - bounds[low])
  }
}

/// The manifest that a dataset was opened with.
struct ManifestFile: Sendable {
  let directory: String
  let identity: ReadableFile.Identity

  /// - Throws: `DatasetError` if it has been replaced.
  func requireUnchanged() throws {
    guard let file = try? DatasetManifest.open(directory), file.identity == identity else {
      throw DatasetError.badData(directory, "was replaced or altered since the dataset was opened")
    }
  }
}
