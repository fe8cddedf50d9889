import CZip
import Foundation

/// A ZIP file, by the names of its members. Reads stored and deflated members, as written by NumPy, of any size.
struct ZipArchive {
  let path: String
  /// In the order of the central directory.
  let names: [String]

  private let fileSize: Int
  private let handle: ZipHandle

  /// - Throws: `DatasetError` if the file is not a ZIP file, or its directory is damaged.
  init(_ file: ReadableFile) throws {
    path = file.path
    fileSize = file.size
    handle = try ZipHandle(path)
    let archive = handle.archive
    names = (0..<max(0, zip_get_num_entries(archive, 0))).map { index in
      zip_get_name(archive, zip_uint64_t(index), ZIP_FL_ENC_RAW).map { String(cString: $0) } ?? ""
    }
  }

  /// The member `name`; nil if there is none.
  ///
  /// - Throws: `DatasetError` if it uses an unsupported compression method, or its sizes are impossible.
  func open(_ name: String) throws -> (any StoredBytes)? {
    guard let index = names.firstIndex(of: name) else { return nil }
    let place = "\(path), \(name)"
    var status = zip_stat_t()
    guard zip_stat_index(handle.archive, zip_uint64_t(index), 0, &status) == 0 else {
      throw DatasetError.zip(zip_get_error(handle.archive), path: path, place: place)
    }
    let (stored, deflated) = (zip_uint16_t(ZIP_CM_STORE), zip_uint16_t(ZIP_CM_DEFLATE))
    let isEncrypted = status.encryption_method != ZIP_EM_NONE
    guard !isEncrypted, [stored, deflated].contains(status.comp_method) else {
      throw DatasetError.badData(
        place, isEncrypted ? "is encrypted" : "is packed with method \(status.comp_method), expected 0 or 8")
    }
    // Deflate compresses by a factor of 1032 at most. No memory is allocated for more than the file can hold.
    let isPossible =
      status.comp_size <= fileSize
      && (status.comp_method == stored
        ? status.size == status.comp_size : status.size / 1032 <= status.comp_size)
    guard isPossible else {
      throw DatasetError.badData(
        place, "cannot hold the \(status.size) bytes that are said to be in its \(status.comp_size)")
    }
    return try ZipMember(handle, index: zip_uint64_t(index), size: Int(status.size), place: place)
  }
}

/// Owns an open libzip archive.
private final class ZipHandle {
  let path: String
  let archive: OpaquePointer

  init(_ path: String) throws {
    self.path = path
    var code: Int32 = 0
    errno = 0
    guard let archive = zip_open(path, ZIP_RDONLY, &code) else {
      var error = zip_error_t()
      zip_error_init_with_code(&error, code)
      defer { zip_error_fini(&error) }
      throw DatasetError.zip(&error, path: path, place: path)
    }
    self.archive = archive
  }

  // Nothing was modified, so nothing is written.
  deinit { zip_discard(archive) }
}

/// A member of a ZIP file. Memory use is constant. Reading it to the end sequentially verifies its checksum.
private final class ZipMember: StoredBytes {
  let place: String
  let size: Int
  private let handle: ZipHandle
  private let index: zip_uint64_t
  private var file: OpaquePointer
  /// Offset of the next byte.
  private var position = 0

  init(_ handle: ZipHandle, index: zip_uint64_t, size: Int, place: String) throws {
    self.handle = handle
    self.index = index
    self.size = size
    self.place = place
    file = try Self.open(handle, index, place)
  }

  deinit { zip_fclose(file) }

  private static func open(_ handle: ZipHandle, _ index: zip_uint64_t, _ place: String) throws
    -> OpaquePointer
  {
    guard let file = zip_fopen_index(handle.archive, index, 0) else {
      throw DatasetError.zip(zip_get_error(handle.archive), path: handle.path, place: place)
    }
    return file
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    // Only stored members are seekable.
    if offset != position && zip_fseek(file, zip_int64_t(offset), SEEK_SET) == 0 { position = offset }
    if offset < position {
      let anew = try Self.open(handle, index, place)
      zip_fclose(file)
      (file, position) = (anew, 0)
    }
    try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { scratch in
      while position < offset {
        try next(UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(scratch.count, offset - position)]))
      }
    }
    try next(buffer)
  }

  /// Fills `buffer` with the next bytes.
  private func next(_ buffer: UnsafeMutableRawBufferPointer) throws {
    var filled = 0
    while filled < buffer.count {
      let count = try part(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
      guard count > 0 else {
        throw DatasetError.badData(place, "holds less than the \(size) bytes that it is said to")
      }
      filled += count
    }
    position += buffer.count
    guard position == size else { return }
    // libzip verifies the checksum on a read past the end.
    let end = try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { try part($0) }
    guard end == 0 else {
      throw DatasetError.badData(place, "holds more than the \(size) bytes that it is said to")
    }
  }

  private func part(_ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = zip_fread(file, buffer.baseAddress, zip_uint64_t(buffer.count))
    guard count >= 0 else {
      throw DatasetError.zip(zip_file_get_error(file), path: handle.path, place: place)
    }
    return Int(count)
  }
}

extension DatasetError {
  /// A libzip error for the archive `path`, at `place` in it.
  fileprivate static func zip(
    _ error: UnsafeMutablePointer<zip_error_t>?, path: String, place: String
  ) -> DatasetError {
    let code = zip_error_code_zip(error)
    if zip_error_system_type(error) == ZIP_ET_SYS {
      return .system(path, "read it", code: zip_error_code_system(error))
    }
    switch code {
    case ZIP_ER_NOZIP:
      return .badData(place, "is no ZIP file, or one that was cut off: its directory is missing")
    case ZIP_ER_CRC: return .badData(place, "is damaged: its checksum is not that of its content")
    case ZIP_ER_MEMORY:
      return DatasetError(kind: .inputOutput, path: place, problem: "no memory to unpack it")
    default:
      let text = zip_error_strerror(error).map { String(cString: $0) } ?? "error \(code)"
      return .badData(place, "is a damaged ZIP file: \(text)")
    }
  }
}
