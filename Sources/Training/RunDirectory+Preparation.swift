import Checkpoints
import Configuration
import Files
import Foundation
import Settings

extension RunDirectory {
  /// The result of `prepare`.
  public struct Preparation: Sendable {
    /// Settings that differ from those of the existing run.
    public let differences: [SettingsDifference]
    /// Must be kept for as long as the run lasts.
    public let ownership: FolderOwnership
  }

  /// Creates the directory for a new run, or checks that it holds a run with the same configuration, and takes
  /// ownership of it for this process. A differing configuration file is left alone; see `replaceConfiguration`.
  ///
  /// - Parameters:
  ///   - allowsChanges: whether a differing configuration is accepted; differences that affect no computed number
  ///     always are.
  ///   - onWait: called with an earlier process that may still be training here and is observed for some seconds.
  /// - Throws: `RunDirectoryError`, `FileError`, `SettingsError`.
  public func prepare(
    _ configuration: TrainingConfiguration, allowsChanges: Bool,
    onWait: (FolderOwnership.Owner) -> Void = { _ in }
  ) throws -> Preparation {
    let files = FileManager.default
    let isRun = files.fileExists(atPath: self.configuration)
    var differences: [SettingsDifference] = []
    if isRun {
      differences = SettingsNode.differences(try configurationBefore(), configuration.resolved)
      let changes = differences.filter { !configuration.isFree(toChange: $0.path) }
      guard changes.isEmpty || allowsChanges else {
        throw RunDirectoryError.otherConfiguration(path, changes)
      }
    } else if files.fileExists(atPath: path), let stranger = try contents().first(where: isForeign) {
      throw RunDirectoryError.notARun(path, holding: stranger)
    }
    for folder in [path, checkpoints, samplesFolder] { try make(folder) }
    for folder in [path, checkpoints] where access(folder, W_OK) != 0 {
      throw FileError("write to", folder, code: errno)
    }
    let ownership: FolderOwnership
    do {
      ownership = try FolderOwnership(path, onWait: onWait)
    } catch let taken as FolderOwnership.Taken {
      throw RunDirectoryError.inUse(path, by: taken.owner)
    }
    for folder in [path, samplesFolder] { WholeFile.removeLeftovers(in: folder) }
    if !isRun { try replaceConfiguration(configuration) }
    return Preparation(differences: differences, ownership: ownership)
  }

  /// The existing configuration, with keys added since that version set to their defaults.
  private func configurationBefore() throws -> SettingsNode {
    let node = try SettingsNode(contentsOfFile: configuration).withTodaysKeys
    return (try? TrainingConfiguration(node).resolved) ?? node
  }

  /// Whether an entry of a directory without a configuration does not belong to a run. Checkpoints may be there, since
  /// a run can start from weights made elsewhere, and so may an empty samples folder: an earlier start may have been
  /// killed after creating the folders.
  private func isForeign(_ name: String) -> Bool {
    if name == Self.checkpointsName { return false }
    guard name == Self.samplesName else { return true }
    return (try? FileManager.default.contentsOfDirectory(atPath: samplesFolder))?.isEmpty != true
  }

  /// Makes `configuration` the run's configuration.
  ///
  /// - Throws: `FileError`.
  public func replaceConfiguration(_ configuration: TrainingConfiguration) throws {
    try WholeFile.write(Data(configuration.commentedYAML.utf8), to: self.configuration)
  }

  /// The entries that are visible to a user.
  private func contents() throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path).filter { !$0.hasPrefix(".") }.sorted()
    } catch {
      throw FileError("list", path, cause: error)
    }
  }

  private func make(_ folder: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError("create the directory", folder, cause: error)
    }
  }
}

/// A directory that cannot be used for a run.
public enum RunDirectoryError: Error, CustomStringConvertible, Equatable {
  case notARun(String, holding: String)
  case otherConfiguration(String, [SettingsDifference])
  case inUse(String, by: FolderOwnership.Owner?)

  public var description: String {
    switch self {
    case .notARun(let path, let stranger):
      "\(path) holds something else than a run (\(stranger)): name a new or empty directory as --output"
    case .otherConfiguration(let path, let differences):
      "the run in \(path) has another configuration:\n"
        + differences.map { "  \($0)" }.joined(separator: "\n")
        + "\nuse its configuration, another --output, or --allow-changes"
    case .inUse(let path, let owner):
      "another process is training in \(path)\(owner.map { " (\($0))" } ?? ""): wait until it ends, or name another "
        + "--output"
    }
  }
}
