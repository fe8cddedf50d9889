import Files
import Foundation

/// What `dataset.json` says: what a dataset is, and which files hold it.
public struct DatasetManifest: Codable, Sendable, Equatable {
  public static let fileName = "dataset.json"
  public static let currentFormatVersion = 1

  /// One file of the dataset.
  public struct Shard: Codable, Sendable, Equatable {
    public var fileName: String
    public var imageCount: Int
    /// 64 hexadecimal digits.
    public var sha256: String

    enum CodingKeys: String, CodingKey {
      case fileName = "file_name"
      case imageCount = "image_count"
      case sha256
    }
  }

  public var formatVersion: Int
  public var name: String
  public var split: String
  /// Over all shards.
  public var imageCount: Int
  public var height: Int
  public var width: Int
  public var channels: Int
  /// The name of each label, 0 first; none for a dataset without labels.
  public var classNames: [String]
  /// In the order of their images.
  public var shards: [Shard]

  enum CodingKeys: String, CodingKey {
    case formatVersion = "format_version"
    case name, split
    case imageCount = "image_count"
    case height, width, channels
    case classNames = "class_names"
    case shards
  }

  /// The bytes of one image.
  public var imageSize: Int { height * width * channels }

  /// A digest of the content of all shards: the same for two datasets only if their images and labels are.
  public var digest: String { SHA256.digest(of: shards.map { "\($0.sha256)\n" }.joined()) }

  /// The file's content, sealed with its digest: the same bytes for the same manifest.
  public func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(Blank(manifest: self)), as: UTF8.self) + "\n"
    return Data(ChecksummedText.seal(text, key: Key.seal).utf8)
  }

  /// A key of the file, which may be one that it should not have.
  private struct Key: CodingKey {
    static let seal = "manifest_sha256"

    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// The manifest with room for its seal.
  private struct Blank: Encodable {
    let manifest: DatasetManifest

    func encode(to encoder: any Encoder) throws {
      try manifest.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(ChecksummedText.blank, forKey: Key(stringValue: Key.seal))
    }
  }

  /// What a file says beside the manifest.
  private struct Surroundings: Decodable {
    /// nil in a manifest that another program made.
    let seal: String?
    let unknownKeys: [String]

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      seal = try container.decodeIfPresent(String.self, forKey: Key(stringValue: Key.seal))
      unknownKeys = container.allKeys.map(\.stringValue)
        .filter { $0 != Key.seal && DatasetManifest.CodingKeys(stringValue: $0) == nil }.sorted()
    }

    func contradiction(in content: Data) -> String? {
      // One of them may be a key that was altered.
      if let key = unknownKeys.first { return "has the unknown key \(String(reflecting: key))" }
      guard let seal, !ChecksummedText.isSealed(content, by: seal) else { return nil }
      return
        "was altered: its \(Key.seal) is not that of its content. Make the dataset anew; or, if it is as "
        + "you want it, remove that key"
    }
  }
}

extension DatasetManifest {
  /// Reads the manifest of the dataset in `directory`.
  ///
  /// - Throws: `DatasetError` if there is none, or it contradicts itself.
  public init(directory: String) throws {
    let path = filePath(directory, Self.fileName)
    guard FileManager.default.fileExists(atPath: directory) else {
      throw DatasetError.badData(directory, "does not exist; make a dataset there with `oboro prepare`")
    }
    guard FileManager.default.fileExists(atPath: path) else {
      throw DatasetError.badData(
        directory, "has no \(Self.fileName): not a dataset, or one whose making was interrupted")
    }
    let file = try ReadableFile(path)
    var content = Data(count: file.size)
    try content.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    self = try Self.decode(content, path: path)
  }

  static func decode(_ content: Data, path: String) throws -> DatasetManifest {
    struct Version: Decodable {
      let formatVersion: Int

      enum CodingKeys: String, CodingKey {
        case formatVersion = "format_version"
      }
    }
    do {
      // The version first: what follows may differ in another one.
      let version = try JSONDecoder().decode(Version.self, from: content).formatVersion
      guard version == currentFormatVersion else {
        throw DatasetError.badData(
          path, "has format version \(version), expected \(currentFormatVersion); make the dataset anew")
      }
      let manifest = try JSONDecoder().decode(DatasetManifest.self, from: content)
      let surroundings = try JSONDecoder().decode(Surroundings.self, from: content)
      if let contradiction = manifest.contradiction ?? surroundings.contradiction(in: content) {
        throw DatasetError.badData(path, contradiction)
      }
      return manifest
    } catch let error as DecodingError {
      throw DatasetError.badData(path, "is not a dataset's manifest: \(error.problem)")
    }
  }

  private var contradiction: String? {
    guard height > 0, width > 0, channels > 0, imageCount > 0 else {
      return "has \(imageCount) images of \(height) x \(width) x \(channels), expected at least 1 of each"
    }
    guard [height, width, channels, imageCount].checkedProduct() != nil else {
      return "has more than 2^63 bytes of images"
    }
    for shard in shards {
      guard shard.imageCount > 0 else {
        return "\(shard.fileName) has \(shard.imageCount) images, expected some"
      }
      guard !shard.fileName.isEmpty, !shard.fileName.hasPrefix("."), !shard.fileName.contains("/") else {
        return "\(String(reflecting: shard.fileName)) is not the name of a file beside it"
      }
      guard shard.sha256.count == 64, shard.sha256.allSatisfy(\.isHexDigit) else {
        return "the SHA-256 of \(shard.fileName) is \(String(reflecting: shard.sha256)), expected 64 digits"
      }
    }
    guard Set(shards.map(\.fileName)).count == shards.count else { return "lists a shard twice" }
    let sum = shards.map(\.imageCount).checkedSum()
    guard sum == imageCount else {
      return "promises \(imageCount) images, its shards hold \(sum.map { "\($0)" } ?? "too many")"
    }
    return nil
  }
}

extension [Int] {
  /// The product of all, or nil if it is too large.
  func checkedProduct() -> Int? {
    var product = 1
    for factor in self {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      product = next
    }
    return product
  }

  /// The sum of all, or nil if it is too large.
  func checkedSum() -> Int? {
    var sum = 0
    for term in self {
      let (next, overflow) = sum.addingReportingOverflow(term)
      if overflow { return nil }
      sum = next
    }
    return sum
  }
}

extension DecodingError {
  /// What is wrong, and at which key.
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

/// The path of the file `name` in `directory`.
func filePath(_ directory: String, _ name: String) -> String {
  directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
}
