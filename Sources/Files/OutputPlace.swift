import Foundation

/// The destination of an output path, after following all links.
///
/// Only a regular file may be replaced. A link's target is replaced rather than the link; devices and pipes are written
/// to directly.
enum OutputPlace {
  /// A regular file, or none yet, after following all links; with the permissions of an existing file.
  case file(String, permissions: mode_t?)
  /// A device or pipe, to be written to directly.
  case stream(String)
  /// A descriptor of this process, which is what `/dev/stdout` for example points to.
  case descriptor(Int32)

  /// The number of links that Linux follows at most.
  private static let mostLinks = 40
  private static let ownDescriptors = "/proc/self/fd/"

  /// - Throws: ``FileError`` for a folder, or if the path cannot be resolved.
  init(_ path: String) throws {
    var place = path
    for _ in 0..<Self.mostLinks {
      if place.hasPrefix(Self.ownDescriptors), let number = Int32(place.dropFirst(Self.ownDescriptors.count))
      {
        self = .descriptor(number)
        return
      }
      var status = stat()
      guard lstat(place, &status) == 0 else {
        guard errno == ENOENT else { throw FileError("write", path, code: errno) }
        self = .file(place, permissions: nil)
        return
      }
      switch status.st_mode & S_IFMT {
      case S_IFREG:
        self = .file(place, permissions: status.st_mode & 0o777)
        return
      case S_IFDIR: throw FileError("write", path, code: EISDIR)
      case S_IFLNK: place = try Self.target(of: place, path)
      default:
        self = .stream(place)
        return
      }
    }
    throw FileError("write", path, code: ELOOP)
  }

  /// The target of the link at `place`.
  private static func target(of place: String, _ path: String) throws -> String {
    let target = try [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
      let length = buffer.withMemoryRebound(to: CChar.self) { readlink(place, $0.baseAddress!, $0.count) }
      guard length >= 0 else { throw FileError("write", path, code: errno) }
      count = length
    }
    let text = String(decoding: target, as: UTF8.self)
    guard !text.hasPrefix("/") else { return text }
    let folder = place.lastIndex(of: "/").map { String(place[...$0]) } ?? ""
    return folder + text
  }
}
