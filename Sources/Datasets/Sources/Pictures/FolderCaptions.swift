import Files
import Foundation

/// Texts that describe the pictures of a folder.
///
/// They come from `metadata.jsonl`, in the folder or one below it, whose lines are objects with `file_name`, a path
/// relative to it, and `text`, a string or a list; or from a text file next to each picture with the same name and the
/// extension `.txt`; or they are the names of the pictures' classes.
public struct FolderCaptions: Sendable {
  public enum Origin: String, CaseIterable, Sendable {
    /// Whatever is present: `metadata`, else `files`, else `none`.
    case auto
    case none
    case files
    /// Like `files`, with one caption per line.
    case lines
    case metadata
    case classes
  }

  /// Captions by index of the picture in the folder's list, at least one each.
  let texts: [[String]]
  /// Where they come from: neither `auto` nor `none`.
  public let origin: Origin
  /// Number of metadata lines that name no picture of the folder.
  public let unusedCount: Int

  /// Maximum number of captions of a picture.
  public var mostOfAPicture: Int { texts.map(\.count).max() ?? 1 }

  static let metadataName = "metadata.jsonl"
  /// Replaces a picture's extension in the name of the file with its caption.
  static let fileEnd = ".txt"
  /// Longer files are not captions.
  private static let sizeLimit = 1 << 20

  /// - Returns: nil if there are none and none were requested.
  /// - Throws: `DatasetError` if requested captions are missing, only some pictures have one, or a text is not UTF-8.
  public init?(of folder: ImageFolder, from wanted: Origin) throws {
    let sidecars = [.auto, .files, .lines].contains(wanted) ? Self.sidecars(of: folder) : []
    switch wanted {
    case .none: return nil
    case .classes:
      origin = .classes
      (texts, unusedCount) = (try Self.classNames(of: folder).map { [$0] }, 0)
    case .auto where !folder.metadata.isEmpty, .metadata:
      origin = .metadata
      (texts, unusedCount) = try Self.metadata(of: folder)
    case .auto where sidecars.allSatisfy { $0 == nil }: return nil
    case .auto, .files, .lines:
      origin = wanted == .lines ? .lines : .files
      (texts, unusedCount) = (try Self.texts(of: sidecars, folder, eachLine: wanted == .lines), 0)
    }
  }

  private static func classNames(of folder: ImageFolder) throws -> [String] {
    try folder.files.map { file in
      guard file.label >= 0 else {
        throw DatasetError.badData(
          "\(file.path)", "lies in no folder that is its class, so it has no caption of its class's name")
      }
      return folder.classNames[Int(file.label)]
    }
  }

  /// The text file next to each picture, if present.
  private static func sidecars(of folder: ImageFolder) -> [RawPath?] {
    folder.files.map { file in
      let bytes = file.path.bytes
      let end = bytes.lastIndex(of: UInt8(ascii: ".")) ?? bytes.count
      let path = RawPath(bytes: bytes[..<end] + Array(fileEnd.utf8))
      var status = stat()
      return path.status(&status) == 0 && status.st_mode & S_IFMT == S_IFREG ? path : nil
    }
  }

  /// - Parameter eachLine: whether each line is a caption, or the whole file is one.
  private static func texts(
    of sidecars: [RawPath?], _ folder: ImageFolder, eachLine: Bool
  ) throws -> [[String]] {
    guard sidecars.contains(where: { $0 != nil }) else {
      throw DatasetError.badData(
        folder.directory,
        "has no captions: there is a .txt file beside none of its \(folder.files.count) pictures")
    }
    return try zip(folder.files, sidecars).map { file, sidecar in
      guard let sidecar else {
        throw DatasetError.badData(
          "\(file.path)",
          "has no .txt file with a caption beside it, and other pictures have one: add it, or an empty one")
      }
      let lines = try text(of: sidecar).split(whereSeparator: \.isNewline)
        .map { $0.trimmingCharacters(in: .whitespaces) }
      guard eachLine else { return [lines.joined(separator: " ")] }
      let texts = lines.filter { !$0.isEmpty }
      return texts.isEmpty ? [""] : texts
    }
  }

  private static func text(of path: RawPath) throws -> String {
    let bytes: [UInt8]
    do {
      let file = try FileDescriptor(path, O_RDONLY)
      let size = Int(try file.status().st_size)
      guard size <= sizeLimit else {
        throw DatasetError.badData("\(path)", "has \(size) bytes, too many for a caption")
      }
      bytes = try file.readToEnd()
    } catch let error as FileError {
      throw DatasetError(error)
    }
    return try text(bytes[...], "\(path)")
  }

  /// `bytes` as UTF-8, without a byte order mark.
  private static func text(_ bytes: ArraySlice<UInt8>, _ place: String) throws -> String {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let bytes = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw DatasetError.badData(
        place, "is not UTF-8 (Latin-1?): convert it, as with iconv -f latin1 -t utf-8")
    }
    guard !bytes.contains(0) else {
      throw DatasetError.badData(place, "holds a zero byte, which no text does")
    }
    return text
  }
}

extension FolderCaptions {
  /// A line of `metadata.jsonl`; other keys are ignored.
  private struct Line: Decodable {
    let fileName: String
    let texts: [String]

    enum CodingKeys: String, CodingKey {
      case fileName = "file_name"
      case text
    }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      fileName = try values.decode(String.self, forKey: .fileName)
      if let text = try? values.decode(String.self, forKey: .text) {
        texts = [text]
      } else {
        texts = try values.decode([String].self, forKey: .text)
      }
    }
  }

  private static func metadata(of folder: ImageFolder) throws -> (texts: [[String]], unused: Int) {
    guard !folder.metadata.isEmpty else {
      throw DatasetError.badData(folder.directory, "has no captions: there is no \(metadataName) in it")
    }
    var captions: [RawPath: [String]] = [:]
    for path in folder.metadata {
      let place = RawPath(bytes: Array(path.bytes.dropLast(metadataName.utf8.count)))
      for (name, texts, where_) in try lines(of: path) {
        guard captions.updateValue(texts, forKey: place.appending(name.utf8)) == nil else {
          throw DatasetError.badData(where_, "names \(name) again")
        }
      }
    }
    let texts = try folder.files.map { file in
      guard let texts = captions.removeValue(forKey: file.path) else {
        throw DatasetError.badData("\(file.path)", "has no caption: no line of \(metadataName) names it")
      }
      return texts
    }
    return (texts, captions.count)
  }

  private static func lines(of path: RawPath) throws -> [(name: String, texts: [String], place: String)] {
    let bytes: [UInt8]
    do { bytes = try FileDescriptor(path, O_RDONLY).readToEnd() } catch let error as FileError {
      throw DatasetError(error)
    }
    let decoder = JSONDecoder()
    return try bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
      .compactMap { index, bytes in
        let place = "\(path), line \(index + 1)"
        let content = try text(bytes, place)
        guard !content.allSatisfy(\.isWhitespace) else { return nil }
        guard let line = try? decoder.decode(Line.self, from: Data(content.utf8)), !line.fileName.isEmpty,
          !line.texts.isEmpty
        else {
          throw DatasetError.badData(
            place, #"expected {"file_name": "picture.png", "text": "a caption"}, or a list of captions"#)
        }
        for caption in line.texts { _ = try text(Array(caption.utf8)[...], place) }
        return (line.fileName, line.texts, place)
      }
  }
}
