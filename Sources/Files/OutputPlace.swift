import Foundation

/// What a path that is to be written to leads to, through all links.
///
/// Only a plain file may be replaced by another under its name. Into a device or a pipe the bytes are
/// written; of a link, what it leads to is replaced.
enum OutputPlace {
  /// A plain file, or none yet, at the end of all links; with the permissions of the one that is there.
  case file(String, permissions: mode_t?)
  /// What bytes are written into where it is.
  case stream(String)
  /// A descriptor of this process, such as `/dev/stdout` leads to.
  case descriptor(Int32)

  /// As many links as Linux follows.
  private static let mostLinks = 40
  private static let ownDescriptors = "/proc/self/fd/"

  /// - Throws: ``FileError`` for a folder, and where the path leads nowhere.
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

  /// Where the link at `place` leads.
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
