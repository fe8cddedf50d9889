import Foundation

/// The picture files in a folder and all folders below it, in the order of their paths' bytes.
///
/// Folders directly below it that hold pictures are the classes; pictures beside them have none. Links are followed.
/// What is hidden, and files whose names do not end as pictures' do, are left out.
public struct ImageFolder: Sendable {
  public struct File: Sendable, Equatable {
    public let path: String
    /// The place of its class in `classNames`; -1 for none.
    public let label: Int32
  }

  public let directory: String
  public let files: [File]
  /// In the order of their bytes.
  public let classNames: [String]
  /// Files that are no pictures, by their names.
  public let otherCount: Int

  /// Ends of names, in lower case. What a file holds is seen from its content.
  public static let extensions: Set<String> = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib",
  ]

  /// Looks through `directory`.
  ///
  /// - Throws: `DatasetError` if it, or a folder below it, cannot be listed, or there is no picture in it.
  public init(_ directory: String) throws {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: directory, isDirectory: &isDirectory), isDirectory.boolValue
    else { throw DatasetError.badData(directory, "is not a directory; expected one that holds pictures") }
    var walk = Walk()
    try walk.visit(directory)
    guard !walk.paths.isEmpty else {
      throw DatasetError.badData(
        directory,
        "holds no pictures: no file below it has a name ending in "
          + Self.extensions.sorted().joined(separator: ", "))
    }
    self.directory = directory
    otherCount = walk.otherCount
    let prefix = directory.hasSuffix("/") ? directory.utf8.count : directory.utf8.count + 1
    /// The folder below `directory` that leads to `path`.
    func folder(_ path: String) -> Substring? {
      let rest = Substring(path.utf8.dropFirst(prefix))
      return rest.firstIndex(of: "/").map { rest[..<$0] }
    }
    let paths = walk.paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let names = Set(paths.compactMap(folder)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let labels = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
    files = paths.map { path in File(path: path, label: folder(path).flatMap { labels[$0] } ?? -1) }
    classNames = names.map(String.init)
  }

  /// What is found on the way through the folders.
  private struct Walk {
    var paths: [String] = []
    var otherCount = 0
    /// The folders from the top to here, with links resolved: a link to one of them would lead round in circles.
    var open: Set<String> = []

    mutating func visit(_ folder: String) throws {
      guard let stream = opendir(folder) else { throw DatasetError.system(folder, "list it") }
      defer { closedir(stream) }
      guard
        let resolved = realpath(folder, nil).map({ pointer in
          defer { free(pointer) }
          return String(cString: pointer)
        })
      else { throw DatasetError.system(folder, "list it") }
      guard open.insert(resolved).inserted else { return }
      defer { open.remove(resolved) }
      errno = 0
      while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
          String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name.hasPrefix(".") { continue }
        let path = filePath(folder, name)
        var status = stat()
        // What cannot be looked at counts as what its name says, and is told of when it is read.
        let kind = stat(path, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
        let isPicture = ImageFolder.extensions.contains((name as NSString).pathExtension.lowercased())
        if kind == S_IFDIR {
          try visit(path)
        } else if kind == S_IFREG && isPicture {
          paths.append(path)
        } else {
          otherCount += 1
        }
        errno = 0
      }
      if errno != 0 { throw DatasetError.system(folder, "list it") }
    }
  }
}
