import Files
import Foundation

extension DatasetManifest {
  /// Reads the manifest of the dataset in `directory`.
  ///
  /// - Throws: `DatasetError` if there is none, or it is inconsistent.
  public init(directory: String) throws {
    try self.init(file: Self.open(directory))
  }

  /// Opens the manifest's file.
  static func open(_ directory: String) throws -> ReadableFile {
    let path = filePath(directory, Self.fileName)
    guard !directory.isEmpty else {
      throw DatasetError.badData(
        "dataset.path", "is empty; name the directory of a dataset that `oboro prepare` made")
    }
    guard FileManager.default.fileExists(atPath: directory) else {
      throw DatasetError.badData(
        directory,
        "does not exist\(directory.lookedForNote); make a dataset there with `oboro prepare`, or name another path"
      )
    }
    guard FileManager.default.fileExists(atPath: path) else {
      throw DatasetError.badData(
        directory, "has no \(Self.fileName): not a dataset, or one whose making was interrupted")
    }
    return try ReadableFile(path)
  }

  init(file: ReadableFile) throws {
    var content = Data(count: file.size)
    try content.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    self = try Self.decode(content, path: file.path)
  }

  static func decode(_ content: Data, path: String) throws -> DatasetManifest {
    struct Version: Decodable {
      let formatVersion: Int

      enum CodingKeys: String, CodingKey {
        case formatVersion = "format_version"
      }
    }
    struct Seal: Decodable {
      /// nil in a manifest written by another program.
      let seal: String?

      enum CodingKeys: String, CodingKey {
        case seal = "manifest_sha256"
      }
    }
    do {
      let decoder = JSONDecoder()
      // The version comes first: the rest depends on it.
      let version = try decoder.decode(Version.self, from: content).formatVersion
      let (manifest, keys): (DatasetManifest, ManifestKeys)
      switch version {
      case 1: (manifest, keys) = (try decoder.decode(FirstFormat.self, from: content).manifest, .first)
      case currentFormatVersion:
        (manifest, keys) = (try decoder.decode(DatasetManifest.self, from: content), .current)
      default:
        throw DatasetError.badData(
          path,
          "has format version \(version), expected \(currentFormatVersion) or 1; take the Oboro that made it, or make "
            + "the dataset anew with `oboro prepare`")
      }
      let seal = try decoder.decode(Seal.self, from: content).seal
      // The seal's key may itself have been altered, so unknown keys are reported first.
      if let key = keys.unknown(in: try JSONSerialization.jsonObject(with: content)) {
        throw DatasetError.badData(path, "has the unknown key \(key)")
      }
      if let contradiction = manifest.contradiction { throw DatasetError.badData(path, contradiction) }
      if let seal, !ChecksummedText.isSealed(content, by: seal) {
        throw DatasetError.badData(
          path,
          "was altered: its \(sealKey) is not that of its content. Make the dataset anew; or, if it is as you want it, "
            + "remove that key")
      }
      return manifest
    } catch let error as DecodingError {
      throw DatasetError.badData(path, "is not a dataset's manifest: \(error.problem)")
    }
  }

  /// Format 1: byte images and their labels, nothing else.
  private struct FirstFormat: Decodable {
    struct Shard: Decodable {
      let fileName: String
      let imageCount: Int
      let sha256: String

      enum CodingKeys: String, CodingKey {
        case fileName = "file_name"
        case imageCount = "image_count"
        case sha256
      }
    }

    let name: String
    let split: String
    let imageCount: Int
    let height: Int
    let width: Int
    let channels: Int
    let classNames: [String]
    let shards: [Shard]

    enum CodingKeys: String, CodingKey {
      case name, split
      case imageCount = "image_count"
      case height, width, channels
      case classNames = "class_names"
      case shards
    }

    var manifest: DatasetManifest {
      DatasetManifest(
        formatVersion: 1, name: name, split: split, count: imageCount,
        fields: [.images(height: height, width: width, channels: channels), .labels], classNames: classNames,
        shards: shards.map { .init(file: $0.fileName, count: $0.imageCount, sha256: $0.sha256) })
    }
  }
}

/// The allowed keys of a manifest and its nested sections.
private struct ManifestKeys {
  let allowed: [String: Set<String>]

  static let first = ManifestKeys(allowed: [
    "": [
      "format_version", "name", "split", "image_count", "height", "width", "channels", "class_names",
      "shards",
      DatasetManifest.sealKey,
    ],
    ".shards": ["file_name", "image_count", "sha256"],
  ])

  static let current = ManifestKeys(allowed: [
    "": Set(DatasetManifest.CodingKeys.allCases.map(\.rawValue) + [DatasetManifest.sealKey]),
    ".shards": Set(DatasetManifest.Shard.CodingKeys.allCases.map(\.rawValue)),
    ".fields": Set(Field.CodingKeys.allCases.map(\.rawValue)),
    ".fields.variables": Set(Field.Variable.CodingKeys.allCases.map(\.rawValue)),
    ".fields.coordinates": Set(Field.Coordinate.CodingKeys.allCases.map(\.rawValue)),
    ".fields.statistics": Set(ChannelStatistics.CodingKeys.allCases.map(\.rawValue)),
    ".fields.normalization": Set(Normalization.CodingKeys.allCases.map(\.rawValue)),
    ".encoding.image": Set(Field.CodingKeys.allCases.map(\.rawValue)),
    ".encoding": Set(DatasetManifest.Encoding.CodingKeys.allCases.map(\.rawValue)),
  ])

  /// The first unknown key, quoted, with its section; nil if there is none.
  func unknown(in value: Any, at path: String = "") -> String? {
    if let list = value as? [Any] {
      return list.lazy.compactMap { unknown(in: $0, at: path) }.first
    }
    // Attribute names are chosen by the source of the data.
    guard let section = value as? [String: Any], let known = allowed[path] else { return nil }
    for (key, value) in section.sorted(by: { $0.key < $1.key }) {
      guard known.contains(key) else {
        return String(reflecting: key) + (path.isEmpty ? "" : " in \(path.dropFirst())")
      }
      if let key = unknown(in: value, at: "\(path).\(key)") { return key }
    }
    return nil
  }
}

extension DecodingError {
  /// A description of the problem, with its key.
  fileprivate var problem: String {
    func place(_ context: Context, _ key: (any CodingKey)? = nil) -> String {
      let path = (context.codingPath + (key.map { [$0] } ?? [])).map {
        $0.intValue.map { "\($0)" } ?? $0.stringValue
      }
      return path.joined(separator: ".")
    }
    return switch self {
    case .keyNotFound(let key, let context): "the key \(place(context, key)) is missing"
    case .typeMismatch(let type, let context): "\(place(context)) is not of type \(type)"
    case .valueNotFound(let type, let context): "\(place(context)) is null, expected \(type)"
    case .dataCorrupted(let context) where context.codingPath.isEmpty: "not JSON"
    case .dataCorrupted(let context): "\(place(context)): \(context.debugDescription)"
    @unknown default: "\(self)"
    }
  }
}
