import Files
import Foundation
import Pictures

/// The picture files in a folder and all folders below it, in the natural order of their paths' bytes.
///
/// Folders directly below it that hold pictures are the classes; pictures beside them have none. Links are followed.
/// Names are bytes, of any encoding. What cannot be read as its name says, or cannot be looked into, is among the files,
/// with the reason. Only what is hidden, and files whose names do not end as pictures' do, are left out.
public struct ImageFolder: Sendable {
  public struct File: Sendable, Equatable {
    public let path: RawPath
    /// The place of its class in `classNames`; -1 for none.
    public let label: Int32
    /// Why it cannot be read, where that is known already.
    public let problem: String?
  }

  public let directory: String
  public let files: [File]
  /// In natural order, as `RawPath.text` shows them.
  public let classNames: [String]
  /// Files that are no pictures, by their names.
  public let otherCount: Int
  /// Files `metadata.jsonl`, in the order of their paths' bytes.
  let metadata: [RawPath]
  /// Ends of names of pictures that are not read, and how many there are.
  public let unread: [String: Int]
  /// Names of folders that are one class because they are the same text to Unicode (NFC, NFD): their bytes.
  public let equalNames: [(name: String, spellings: [[UInt8]])]
  /// Bytes of a path before what leads from the folder to the file.
  private let prefixLength: Int

  /// Ends of names, in lower case. What a file holds is seen from its content.
  public static let extensions: Set<String> = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib", "tif", "tiff",
  ]

  public init(_ directory: String) throws { try self.init(RawPath(directory)) }

  /// Looks through `directory`.
  ///
  /// - Throws: `DatasetError` if it cannot be listed, or there is no picture in it.
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
    otherCount = walk.otherCount
    metadata = walk.metadata.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    unread = walk.unread
    /// The folder below `directory` that leads to `path`.
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

  /// The path from the folder to one of its files.
  func name(of file: File) -> [UInt8] { Array(file.path.bytes.dropFirst(prefixLength)) }

  /// A folder's pictures in the order of another's, each in the place of that of the same name there.
  ///
  /// - Throws: `DatasetError` naming the first that has none.
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

  /// A name without the end that says its format.
  private static func stem(_ name: [UInt8]) -> [UInt8] {
    name.lastIndex(of: UInt8(ascii: ".")).map { Array(name[..<$0]) } ?? name
  }
}

/// The classes that folders stand for.
private struct ClassNames {
  private(set) var names: [String] = []
  /// By the folders' names.
  private(set) var labels: [[UInt8]: Int32] = [:]
  private(set) var equal: [(name: String, spellings: [[UInt8]])] = []

  init(_ folders: Set<[UInt8]>) {
    // Text is equal if it is to Unicode: one class, in whatever form its folders are spelt.
    let groups = Dictionary(grouping: folders) { RawPath.text($0) }
    let spellings = groups.values.map { group in
      let sorted = group.sorted { $0.lexicographicallyPrecedes($1) }
      // Composed characters, as nearly all text has them.
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
