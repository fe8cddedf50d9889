import Foundation
import Settings

/// NumPy files: one array (`.npy`), or several in an archive (`.npz`).
struct NumPyContainer: ArrayContainer {
  let path: String
  private let file: ReadableFile
  private let archive: ZipArchive?

  init(_ path: String) throws {
    self.path = path
    file = try ReadableFile(path)
    let start = try file.bytes(min(file.size, 4), at: 0)
    archive = start.starts(with: [0x50, 0x4B]) ? try ZipArchive(file) : nil
  }

  func array(_ name: String?) throws -> any NumberArray {
    guard let archive else {
      guard let name else { return try numbers(file, name: stem(path)) }
      throw DatasetError.badData(path, "is no archive (.npz), so it has no array named \(name)")
    }
    return try array(name ?? "images", in: archive)
  }

  func labels(_ name: String?) throws -> (any NumberArray)? {
    if let archive {
      if let inside = try archive.open("\(name ?? "labels").npy") {
        return try numbers(inside, name: name ?? "labels")
      }
      guard let name else { return nil }
      guard FileManager.default.fileExists(atPath: name) else { return try array(name, in: archive) }
    }
    return try name.map { try numbers(ReadableFile($0), name: stem($0)) }
  }

  func texts(_ name: String) throws -> [String] {
    let array: NumPyArray
    if let inside = try archive?.open("\(name).npy") {
      array = try NumPyArray(inside)
    } else if archive != nil && !FileManager.default.fileExists(atPath: name) {
      throw missing(name)
    } else {
      array = try NumPyArray(ReadableFile(name))
    }
    return try array.texts()
  }

  private func array(_ name: String, in archive: ZipArchive) throws -> any NumberArray {
    guard let bytes = try archive.open("\(name).npy") else { throw missing(name) }
    return try numbers(bytes, name: name)
  }

  private func missing(_ name: String) -> DatasetError {
    let names = (archive?.names ?? []).map { $0.hasSuffix(".npy") ? String($0.dropLast(4)) : $0 }
    let meant = NearestKey.among(names, to: name).map { " (\($0)?)" } ?? ""
    return .badData(
      path, "holds no array named \(name)\(meant), but \(names.prefix(20).joined(separator: ", "))")
  }

  private func numbers(_ bytes: any StoredBytes, name: String) throws -> NumPyNumbers {
    try NumPyNumbers(NumPyArray(bytes), name: name)
  }

  private func stem(_ path: String) -> String {
    URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
  }
}
