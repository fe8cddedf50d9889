import Files
import Foundation
import Pictures

/// The picture files in a folder and all folders below it, in natural order of their paths' bytes.
///
/// Direct subfolders that contain pictures are the classes; pictures next to them have none. Links are followed. Names
/// are bytes, in any encoding. Pictures and folders that cannot be read are listed with the reason. Only hidden files,
/// and files without a picture's extension, are left out.
public struct ImageFolder: Sendable {
  public struct File: Sendable, Equatable {
    public let path: RawPath
    /// Index of its class in `classNames`; -1 for none.
    public let label: Int32
    /// Why it cannot be read, if known already.
    public let problem: String?
  }

  public let directory: String
  public let files: [File]
  /// In natural order, as shown by `RawPath.text`.
  public let classNames: [String]
  /// Number of files that are neither pictures, by their names, nor beside one with its caption.
  public let otherCount: Int
  /// The `metadata.jsonl` files, ordered by their paths' bytes.
  let metadata: [RawPath]
  /// Extensions of unsupported picture formats, with the number of files.
  public let unread: [String: Int]
  /// Folder names that form one class because they are canonically equivalent in Unicode (NFC, NFD), with their bytes.
  public let equalNames: [(name: String, spellings: [[UInt8]])]
  /// Length of the path prefix before the name relative to the folder.
  private let prefixLength: Int

  /// Extensions in lower case. The actual format is detected from the content.
  public static let extensions: Set<String> = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib", "tif", "tiff",
  ]

  public init(_ directory: String) throws { try self.init(RawPath(directory)) }

  /// Scans `directory`.
  ///
  /// - Throws: `DatasetError` if it cannot be listed, or contains no pictures.
  public init(_ directory: RawPath) throws {
    let shown = "\(directory)"
    var status = stat()
    guard directory.status(&status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw DatasetError.badData(shown, "is not a directory; expected one that holds pictures")
    }
    var walk = FolderWalk()
    try walk.visit(directory)
    guard !walk.found.isEmpty else {
      throw DatasetError.badData(
        shown,
        "holds no pictures: no file below it has a name ending in "
          + Self.extensions.sorted().joined(separator: ", "))
    }
    self.directory = shown
    prefixLength = directory.bytes.last == RawPath.slash ? directory.bytes.count : directory.bytes.count + 1
    let prefix = prefixLength
    let pictures = Set(walk.found.map { Self.stem($0.path.bytes) })
    otherCount = walk.otherCount + walk.texts.count { !pictures.contains(Self.stem($0.bytes)) }
    metadata = walk.metadata.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    unread = walk.unread
    /// The direct subfolder of `directory` that contains `path`.
    func folder(_ path: RawPath) -> [UInt8]? {
      let rest = path.bytes.dropFirst(prefix)
      return rest.firstIndex(of: RawPath.slash).map { Array(rest[..<$0]) }
    }
    let found = walk.found.sorted { a, b in
      NaturalOrder.precedes(a.path.bytes.dropFirst(prefix), b.path.bytes.dropFirst(prefix))
    }
    let classes = ClassNames(Set(found.filter(\.isPicture).compactMap { folder($0.path) }))
    files = found.map { entry in
      File(
        path: entry.path, label: folder(entry.path).flatMap { classes.labels[$0] } ?? -1,
        problem: entry.problem)
    }
    classNames = classes.names
    equalNames = classes.equal
  }

  /// The path of a file relative to the folder.
  func name(of file: File) -> [UInt8] { Array(file.path.bytes.dropFirst(prefixLength)) }

  /// A folder's pictures reordered to match another's by name.
  ///
  /// - Throws: `DatasetError` naming the first picture without a match.
  init(_ pictures: ImageFolder, matching other: ImageFolder) throws {
    let names = Dictionary(uniqueKeysWithValues: pictures.files.map { (pictures.name(of: $0), $0) })
    let stems = Dictionary(grouping: pictures.files) { Self.stem(pictures.name(of: $0)) }
    files = try other.files.map { file in
      let name = other.name(of: file)
      if let same = names[name] { return same }
      let alike = stems[Self.stem(name)] ?? []
      guard alike.count <= 1 else {
        throw DatasetError.badData(
          pictures.directory, "has \(alike.count) pictures for \(file.path), such as \(alike[0].path)")
      }
      guard let match = alike.first else {
        throw DatasetError.badData(
          pictures.directory,
          "has no picture \(RawPath.text(name)), nor one with another end of its name, for \(file.path)")
      }
      return match
    }
    directory = pictures.directory
    classNames = pictures.classNames
    otherCount = pictures.otherCount
    metadata = pictures.metadata
    unread = pictures.unread
    equalNames = pictures.equalNames
    prefixLength = pictures.prefixLength
  }

  /// A name without its extension.
  private static func stem(_ name: [UInt8]) -> [UInt8] {
    name.lastIndex(of: UInt8(ascii: ".")).map { Array(name[..<$0]) } ?? name
  }
}

/// The classes formed by folders.
private struct ClassNames {
  private(set) var names: [String] = []
  /// By folder name.
  private(set) var labels: [[UInt8]: Int32] = [:]
  private(set) var equal: [(name: String, spellings: [[UInt8]])] = []

  init(_ folders: Set<[UInt8]>) {
    // Canonically equivalent names form one class, however their folders are spelt.
    let groups = Dictionary(grouping: folders) { RawPath.text($0) }
    let spellings = groups.values.map { group in
      let sorted = group.sorted { $0.lexicographicallyPrecedes($1) }
      // Prefers composed characters, as in nearly all text.
      let composed = sorted.first {
        let text = RawPath.text($0)
        return text.utf8.elementsEqual(text.precomposedStringWithCanonicalMapping.utf8)
      }
      return (first: composed ?? sorted[0], all: sorted)
    }
    for (label, group) in spellings.sorted(by: { NaturalOrder.precedes($0.first, $1.first) }).enumerated() {
      let name = RawPath.text(group.first)
      names.append(name)
      for spelling in group.all { labels[spelling] = Int32(label) }
      if group.all.count > 1 { equal.append((name, group.all)) }
    }
  }
}
