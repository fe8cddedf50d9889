import Files
import Foundation
import Pictures

/// Collects the contents of a folder and all folders below it.
struct FolderWalk {
  struct Entry {
    let path: RawPath
    /// Whether its name is that of a picture.
    let isPicture: Bool
    /// Why it cannot be read.
    let problem: String?
  }

  private(set) var found: [Entry] = []
  private(set) var otherCount = 0
  /// Text files, which are captions if they lie beside a picture of the same name.
  private(set) var texts: [RawPath] = []
  /// Metadata files with captions.
  private(set) var metadata: [RawPath] = []
  private(set) var unread: [String: Int] = [:]

  /// Identifies a folder regardless of the path that leads to it.
  private struct Node: Hashable {
    let device: UInt64
    let number: UInt64
  }
  /// The folders from the top to the current one: a link to one of them would form a cycle.
  private var open: Set<Node> = []

  /// Errors that concern a single file or folder; any other is a system failure.
  private static let ownFailures: Set<Int32> = [
    EACCES, EPERM, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, ESTALE,
  ]

  /// - Throws: `DatasetError` if the system fails, or `top` itself cannot be listed.
  mutating func visit(_ top: RawPath) throws { try list(top, isTop: true) }

  private mutating func list(_ folder: RawPath, isTop: Bool) throws {
    let descriptor = folder.open(O_RDONLY | O_DIRECTORY)
    guard descriptor >= 0 else {
      let code = errno
      guard !isTop && Self.ownFailures.contains(code) else {
        throw DatasetError.system("\(folder)", "list it", code: code)
      }
      leaveOut(folder, "cannot be listed: \(String(cString: strerror(code)))")
      return
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, let stream = fdopendir(descriptor) else {
      let code = errno
      close(descriptor)
      throw DatasetError.system("\(folder)", "list it", code: code)
    }
    let node = Node(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
    guard open.insert(node).inserted else {
      closedir(stream)
      leaveOut(folder, "is a link to a folder that it lies in")
      return
    }
    defer { open.remove(node) }
    // The stream is closed before subfolders are opened, so the descriptor limit does not bound the depth.
    for name in try Self.names(stream, folder) { try look(at: folder.appending(name), name) }
  }

  /// Reads and closes `stream`. Hidden names are skipped.
  private static func names(_ stream: OpaquePointer, _ folder: RawPath) throws -> [[UInt8]] {
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    errno = 0
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in Array(bytes.prefix { $0 != 0 }) }
      if name.first != UInt8(ascii: ".") { names.append(name) }
      errno = 0
    }
    if errno != 0 { throw DatasetError.system("\(folder)", "list it") }
    return names
  }

  private mutating func look(at path: RawPath, _ name: [UInt8]) throws {
    var status = stat()
    guard path.status(&status) == 0 else {
      let code = errno
      guard Self.ownFailures.contains(code) else {
        throw DatasetError.system("\(path)", "look at it", code: code)
      }
      let isLink = path.status(&status, followingLinks: false) == 0 && status.st_mode & S_IFMT == S_IFLNK
      let why = String(cString: strerror(code))
      leaveOut(
        path, "cannot be read: \(isLink && code == ENOENT ? "it is a link to what is not there" : why)", name)
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: try list(path, isTop: false)
    case S_IFREG:
      let end = Self.end(of: name)
      if ImageFolder.extensions.contains(end) {
        found.append(Entry(path: path, isPicture: true, problem: nil))
      } else if let format = UnreadFormat(extension: end) {
        unread[end, default: 0] += 1
        leaveOut(path, format.reason, name)
      } else if name == Array(FolderCaptions.metadataName.utf8) {
        metadata.append(path)
      } else if name.suffix(FolderCaptions.fileEnd.utf8.count).elementsEqual(FolderCaptions.fileEnd.utf8) {
        texts.append(path)
      } else {
        otherCount += 1
      }
    case S_IFIFO: leaveOut(path, "is a pipe, not a plain file")
    case S_IFSOCK: leaveOut(path, "is a socket, not a plain file")
    default: leaveOut(path, "is a device, not a plain file")
    }
  }

  private mutating func leaveOut(_ path: RawPath, _ problem: String, _ name: [UInt8] = []) {
    let end = Self.end(of: name)
    let isPicture = ImageFolder.extensions.contains(end) || UnreadFormat(extension: end) != nil
    found.append(Entry(path: path, isPicture: isPicture, problem: problem))
  }

  /// The name's extension, in lower case.
  private static func end(of name: [UInt8]) -> String {
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")) else { return "" }
    return String(decoding: name[(dot + 1)...], as: UTF8.self).lowercased()
  }
}
