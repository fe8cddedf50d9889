import Files
import Foundation
import Settings

/// `manifest.json` of a checkpoint. It is written last, and names every file with its size and digest: a checkpoint
/// without it, or that does not agree with it, does not count.
public struct CheckpointManifest: Codable, Sendable, Equatable {
  public static let fileName = "manifest.json"
  /// What this program writes, and the newest that it reads.
  public static let currentVersion = 1

  public struct File: Codable, Sendable, Equatable {
    public let name: String
    public let bytes: Int
    public let sha256: String
  }

  public let formatVersion: Int
  /// Steps done.
  public let step: Int
  /// Images seen.
  public let images: Int
  /// The resolved configuration as JSON text.
  public let configuration: String
  /// SHA-256 over the digests of the dataset's shards.
  public let datasetDigest: String
  /// [H, W, C] of the images.
  public let imageShape: [Int]
  public let files: [File]

  private enum CodingKeys: String, CodingKey {
    case formatVersion = "format_version"
    case step, images, configuration
    case datasetDigest = "dataset_sha256"
    case imageShape = "image_shape"
    case files
  }

  /// - Throws: `CheckpointError` if the manifest is missing or not one of this format.
  public init(checkpoint directory: String) throws {
    let path = "\(directory)/\(Self.fileName)"
    guard FileManager.default.fileExists(atPath: path) else {
      throw CheckpointError(directory, "has no \(Self.fileName): it is not a checkpoint, or was not completed")
    }
    let data = try Data(WholeFile.read(path))
    struct Version: Decodable {
      let format_version: Int
    }
    guard let version = try? JSONDecoder().decode(Version.self, from: data) else {
      throw CheckpointError(path, "is not the manifest of a checkpoint")
    }
    guard version.format_version <= Self.currentVersion else {
      throw CheckpointError(
        path,
        "has format version \(version.format_version), this program reads up to \(Self.currentVersion): "
          + "use a newer Oboro")
    }
    do {
      self = try JSONDecoder().decode(CheckpointManifest.self, from: data)
    } catch {
      throw CheckpointError(path, "is damaged: \(error)")
    }
  }

  init(
    step: Int, images: Int, configuration: SettingsNode, datasetDigest: String, imageShape: [Int], files: [File]
  ) {
    formatVersion = Self.currentVersion
    self.step = step
    self.images = images
    self.configuration = configuration.json
    self.datasetDigest = datasetDigest
    self.imageShape = imageShape
    self.files = files
  }

  func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self) + Data("\n".utf8)
  }
}

/// A checkpoint that cannot be used, and why.
public struct CheckpointError: Error, CustomStringConvertible, Equatable {
  public let path: String
  public let problem: String

  init(_ path: String, _ problem: String) {
    self.path = path
    self.problem = problem
  }

  public var description: String { "\(path): \(problem)" }
}
