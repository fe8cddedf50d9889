import HDF5
import Synchronization

/// One file of a dataset. HDF5 locates the elements of each field; they are then read directly, since HDF5 itself does
/// not allow concurrent reads. The file is inspected when one of its samples is first requested.
final class Shard: Sendable {
  /// The location of a field.
  private struct Piece: Sendable {
    let offset: Int
    /// The size of one sample in bytes.
    let stride: Int
  }

  private struct Structure: Sendable {
    let pieces: [Piece]
    let identity: ReadableFile.Identity
  }

  let path: String
  private let number: Int
  private let count: Int
  private let fields: [Field]
  private let classCount: Int
  private let files: OpenFiles
  private let manifest: ManifestFile
  private let structure = Mutex<Structure?>(nil)

  /// - Parameters:
  ///   - number: its key in `files`.
  ///   - count: expected number of samples.
  init(
    path: String, number: Int, count: Int, fields: [Field], classCount: Int, files: OpenFiles,
    manifest: ManifestFile
  ) {
    self.path = path
    self.number = number
    self.count = count
    self.fields = fields
    self.classCount = classCount
    self.files = files
    self.manifest = manifest
  }

  /// Inspects the file.
  ///
  /// - Throws: `DatasetError` if it does not hold `count` samples of every field.
  func check() throws { _ = try known() }

  /// Reads field `field` of sample `index` into `bytes`; its elements in order, little-endian.
  func read(_ index: Int, field: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
    let structure = try known()
    let piece = structure.pieces[field]
    // Read rather than mapped: truncation of the file or a failing disk is then an error instead of a signal. Not
    // cached either: the labels of a billion images would take 4 GB.
    try open(structure).read(into: bytes, at: piece.offset + index * piece.stride)
    if fields[field].role == .label { try checkLabel(bytes.loadUnaligned(as: Int32.self), index) }
  }

  /// Reads the text field `field` of sample `index`.
  func text(_ index: Int, field: Int) throws -> [String] {
    let structure = try known()
    let piece = structure.pieces[field]
    let length = piece.stride / fields[field].elementCount
    return try withUnsafeTemporaryAllocation(byteCount: piece.stride, alignment: 1) { bytes in
      try open(structure).read(into: bytes, at: piece.offset + index * piece.stride)
      return try (0..<fields[field].elementCount).map { element in
        let text = bytes[element * length..<(element + 1) * length].prefix { $0 != 0 }
        guard let text = String(validating: text, as: UTF8.self) else {
          throw DatasetError.badData(path, "the text \(fields[field].name) of sample \(index) is not UTF-8")
        }
        return text
      }
    }
  }

  private func checkLabel(_ label: Int32, _ index: Int) throws {
    guard label >= -1, label < classCount else {
      throw DatasetError.badData(
        path, "the label of image \(index) is \(label), expected less than the \(classCount) classes")
    }
  }

  private func open(_ structure: Structure) throws -> ReadableFile {
    try files.file(number) {
      let file = try ReadableFile(path)
      guard file.identity == structure.identity else {
        throw DatasetError.badData(path, "was replaced or altered since the dataset was opened")
      }
      return file
    }
  }

  private func known() throws -> Structure {
    try structure.withLock { structure in
      if let structure { return structure }
      let found = try look()
      // Rewriting a dataset also replaces the manifest. It is checked after the shard, which ensures that the shard's
      // structure belongs to this dataset.
      try manifest.requireUnchanged()
      structure = found
      return found
    }
  }

  private func look() throws -> Structure {
    let identity = try ReadableFile(path).identity
    do {
      let root = try File(opening: path).root
      let pieces = try fields.map { try locate($0, in: root, fileSize: identity.size) }
      return Structure(pieces: pieces, identity: identity)
    } catch let error as HDF5Error {
      throw DatasetError.badData(path, "is not a whole shard of this dataset: \(error)")
    }
  }

  /// Locates the elements of a field in the file.
  private func locate(_ field: Field, in root: Group, fileSize: Int) throws -> Piece {
    let dataset = try root.dataset(field.name)
    try dataset.requireType(field.type.elementType)
    try dataset.requireShape([count] + field.shape)
    guard let length = try field.type.byteCount ?? dataset.fixedTextLength() else {
      throw DatasetError.badData(
        path, "/\(field.name) is not text of one length padded with NULs, as a shard's must be")
    }
    guard let stride = [length, field.elementCount].checkedProduct(),
      let size = [stride, count].checkedProduct(), let offset = try dataset.offset(), offset <= fileSize,
      size <= fileSize - offset
    else {
      throw DatasetError.badData(
        path, "/\(field.name) is not in one uncompressed little-endian piece, as a shard's must be")
    }
    return Piece(offset: offset, stride: stride)
  }
}
