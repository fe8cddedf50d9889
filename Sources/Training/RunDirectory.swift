import Files
import Foundation
import Settings

/// Where a run writes: `config.yaml`, `metrics.jsonl`, `log.txt`, `samples/`, `checkpoints/`.
public struct RunDirectory: Sendable {
  public let path: String

  public init(_ path: String) { self.path = path }

  public var configuration: String { "\(path)/config.yaml" }
  public var metrics: String { "\(path)/metrics.jsonl" }
  public var log: String { "\(path)/log.txt" }
  public var checkpoints: String { "\(path)/checkpoints" }
  public func samples(step: Int) -> String { "\(path)/samples/\(CheckpointStore.name(step: step)).png" }

  /// Makes the directory for a new run, or checks that it holds a run of the same configuration.
  ///
  /// - Parameter allowsChanges: whether a configuration that differs replaces the one that is there.
  /// - Throws: `RunDirectoryError`, `FileError`, `SettingsError`.
  /// - Returns: what differs from the run before.
  public func prepare(_ configuration: TrainingConfiguration, allowsChanges: Bool) throws
    -> [SettingsDifference]
  {
    let files = FileManager.default
    let present = files.fileExists(atPath: path) ? try contents() : []
    var differences: [SettingsDifference] = []
    if files.fileExists(atPath: self.configuration) {
      let before = try SettingsNode(contentsOfFile: self.configuration)
      differences = SettingsNode.differences(before, configuration.resolved)
      guard differences.isEmpty || allowsChanges else {
        throw RunDirectoryError.otherConfiguration(path, differences)
      }
    } else if let stranger = present.first {
      throw RunDirectoryError.notARun(path, holding: stranger)
    }
    for folder in [path, checkpoints, "\(path)/samples"] {
      guard !files.fileExists(atPath: folder) else { continue }
      try make(folder)
    }
    guard access(path, W_OK) == 0 else { throw FileError("write to", path, code: errno) }
    try WholeFile.write(Data(configuration.commentedYAML.utf8), to: self.configuration)
    return differences
  }

  private func contents() throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path).filter { !$0.hasPrefix(".") }.sorted()
    } catch {
      throw FileError("list", path, code: errno == 0 ? ENOTDIR : errno)
    }
  }

  private func make(_ folder: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError("create", folder, code: errno == 0 ? EIO : errno)
    }
  }
}

/// A directory that a run cannot go into.
public enum RunDirectoryError: Error, CustomStringConvertible, Equatable {
  case notARun(String, holding: String)
  case otherConfiguration(String, [SettingsDifference])

  public var description: String {
    switch self {
    case .notARun(let path, let stranger):
      "\(path) holds something else than a run (\(stranger)): name a new or empty directory as --output"
    case .otherConfiguration(let path, let differences):
      "the run in \(path) has another configuration:\n"
        + differences.map { "  \($0)" }.joined(separator: "\n")
        + "\nuse its configuration, another --output, or --allow-changes"
    }
  }
}
