import Foundation

/// The hidden names of files being written, which distinguish files left by a crash from those that a process is still
/// writing: `.NAME.MACHINE-PROCESS-NUMBER.tmp`.
enum TemporaryName {
  private static let suffix = ".tmp"
  /// The longest name that file systems support, in bytes.
  private static let longestName = 255
  /// Seconds without modification after which a file is considered abandoned.
  private static let longestPause = 86_400.0

  /// A unique path in the same folder as `path`.
  static func beside(_ path: String) -> String {
    let (folder, name) = parts(path)
    let number = String(UInt32.random(in: 0...UInt32.max), radix: 16)
    let token = ".\(ProcessIdentity.machine.prefix(8))-\(getpid())-\(number)\(suffix)"
    var start = Array(name.utf8.prefix(longestName - 1 - token.utf8.count))
    // Do not cut a character in half.
    while let last = start.last, last & 0xC0 == 0x80, start.count < name.utf8.count { start.removeLast() }
    if let last = start.last, last >= 0xC0, start.count < name.utf8.count { start.removeLast() }
    return folder + ".\(String(decoding: start, as: UTF8.self))\(token)"
  }

  /// The folder with its trailing slash, or empty for the current one, and the name within it.
  static func parts(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return ("", path) }
    return (String(path[...slash]), String(path[path.index(after: slash)...]))
  }

  /// Whether `path` is such a temporary file or folder and no process is writing it any more.
  static func isAbandoned(_ path: String) -> Bool {
    let name = parts(path).name
    guard name.hasPrefix("."), name.hasSuffix(suffix) else { return false }
    let words = name.dropLast(suffix.count).split(separator: ".").last?.split(separator: "-") ?? []
    if words.count == 3, words[0] == ProcessIdentity.machine.prefix(8), let process = Int32(words[1]) {
      if process == getpid() { return false }
      if kill(process, 0) != 0 && errno == ESRCH { return true }
    } else if words.count != 3 && !(words.count == 1 && Int32(words[0]) != nil) {
      // Neither such a name nor that of an earlier version.
      return false
    }
    var status = stat()
    guard lstat(path, &status) == 0 else { return false }
    return Date().timeIntervalSince1970 - Double(status.st_mtim.tv_sec) > longestPause
  }
}

extension WholeFile {
  /// Removes temporary files left in `folder` by processes that no longer exist.
  public static func removeLeftovers(in folder: String) {
    let files = FileManager.default
    for name in (try? files.contentsOfDirectory(atPath: folder)) ?? [] where name.hasPrefix(".") {
      let path = "\(folder)/\(name)"
      if TemporaryName.isAbandoned(path) { try? files.removeItem(atPath: path) }
    }
  }

  /// Creates a unique hidden folder in `folder`, for files that are to appear together.
  ///
  /// - Throws: ``FileError``.
  public static func makeTemporaryFolder(in folder: String, name: String) throws -> String {
    let path = TemporaryName.beside("\(folder)/\(name)")
    guard mkdir(path, 0o777) == 0 else { throw FileError("write to", folder, code: errno) }
    return path
  }
}
