import Files
import Foundation

/// The content of `dataset.json`: a description of the dataset, and the files that hold it.
public struct DatasetManifest: Codable, Sendable, Equatable {
  public static let fileName = "dataset.json"
  public static let currentFormatVersion = 2

  /// One file of the dataset.
  public struct Shard: Codable, Sendable, Equatable {
    public var file: String
    /// Number of samples in it.
    public var count: Int
    /// 64 hexadecimal digits.
    public var sha256: String

    enum CodingKeys: String, CodingKey, CaseIterable {
      case file, count, sha256
    }
  }

  public var formatVersion: Int
  public var name: String
  public var split: String
  /// The number of samples, over all shards.
  public var count: Int
  /// The fields of each sample.
  public var fields: [Field]
  /// The name of each label, starting with 0; empty for a dataset without labels.
  public var classNames: [String]
  /// In sample order.
  public var shards: [Shard]
  /// How it was encoded from another dataset by an autoencoder; nil for any other dataset.
  public var encoding: Encoding?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case formatVersion = "format_version"
    case name, split, count, fields
    case classNames = "class_names"
    case shards, encoding
  }

  /// The field of this name; nil if there is none.
  public func field(_ name: String) -> Field? { fields.first { $0.name == name } }

  /// The first field of this role; nil if there is none.
  public func field(_ role: FieldRole) -> Field? { fields.first { $0.role == role } }

  /// A digest of the content of all shards, and of how their values are normalised: equal for two datasets only if they
  /// yield the same values.
  public var digest: String {
    let content = shards.map { "\($0.sha256)\n" }.joined()
    let normalizations = fields.compactMap { field in
      field.normalization.map {
        "\(field.name) \($0.kind.rawValue) \($0.offset) \($0.scale) \($0.isStored)\n"
      }
    }
    return SHA256.digest(of: content + normalizations.joined())
  }

  /// The file's content, sealed with its digest: deterministic for a given manifest.
  public func encoded() throws -> Data {
    precondition(formatVersion == Self.currentFormatVersion, "format version \(formatVersion) is not written")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(Blank(manifest: self)), as: UTF8.self) + "\n"
    return Data(ChecksummedText.seal(text, key: Self.sealKey).utf8)
  }

  static let sealKey = "manifest_sha256"

  /// The manifest with a placeholder for its seal.
  private struct Blank: Encodable {
    enum Key: String, CodingKey { case seal = "manifest_sha256" }

    let manifest: DatasetManifest

    func encode(to encoder: any Encoder) throws {
      try manifest.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(ChecksummedText.blank, forKey: .seal)
    }
  }

  var contradiction: String? {
    guard count > 0 else { return "has \(count) samples, expected at least 1" }
    guard !fields.isEmpty else { return "has no fields" }
    if let contradiction = fields.lazy.compactMap(\.contradiction).first { return contradiction }
    guard Set(fields.map(\.name)).count == fields.count else { return "has two fields of one name" }
    for field in fields {
      guard let name = field.flippedBy else { continue }
      guard let other = self.field(name), (other.type, other.shape) == (field.type, field.shape) else {
        return "has no field \(name) like \(field.name), which it should be of mirrored images"
      }
    }
    if let contradiction = encoding?.contradiction { return contradiction }
    // Text is bounded by its shards.
    let sizes = fields.map { $0.byteCount ?? 0 }.checkedSum()
    guard let size = sizes, [size, count].checkedProduct() != nil else { return "has more than 2^63 bytes" }
    for shard in shards {
      guard shard.count > 0 else { return "\(shard.file) has \(shard.count) samples, expected some" }
      guard !shard.file.isEmpty, !shard.file.hasPrefix("."), !shard.file.contains("/") else {
        return "\(String(reflecting: shard.file)) is not the name of a file beside it"
      }
      guard shard.sha256.utf8.count == 64, shard.sha256.allSatisfy(\.isHexDigit) else {
        return "the SHA-256 of \(shard.file) is \(String(reflecting: shard.sha256)), expected 64 digits"
      }
    }
    guard Set(shards.map(\.file)).count == shards.count else { return "lists a shard twice" }
    let sum = shards.map(\.count).checkedSum()
    guard sum == count else {
      return "promises \(count) samples, its shards hold \(sum.map { "\($0)" } ?? "too many")"
    }
    return nil
  }
}
