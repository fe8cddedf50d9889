import Checkpoints
import Configuration
import Files
import Foundation
import Settings

extension RunDirectory {
  /// Makes the directory for a new run, or checks that it holds a run of the same configuration, and takes it for this
  /// process. A configuration that differs stays as it is, for `replaceConfiguration`.
  ///
  /// - Parameter allowsChanges: whether a configuration that differs is no error; where it does in what decides the
  ///   speed alone, it never is.
  /// - Throws: `RunDirectoryError`, `FileError`, `SettingsError`.
  /// - Returns: what differs from the run before; and the lock, to be held while the run goes on.
  public func prepare(_ configuration: TrainingConfiguration, allowsChanges: Bool) throws
    -> (differences: [SettingsDifference], lock: FolderLock)
  {
    let files = FileManager.default
    let isRun = files.fileExists(atPath: self.configuration)
    var differences: [SettingsDifference] = []
    if isRun {
      let before = try SettingsNode(contentsOfFile: self.configuration)
      differences = SettingsNode.differences(before, configuration.resolved)
      let changes = differences.filter { !TrainingSettings.keysOfSpeed.contains($0.path) }
      guard changes.isEmpty || allowsChanges else {
        throw RunDirectoryError.otherConfiguration(path, changes)
      }
    } else if files.fileExists(atPath: path),
      let stranger = try contents().first(where: { $0 != Self.checkpointsName })
    {
      // A checkpoint alone may be there: a run can start from weights made elsewhere.
      throw RunDirectoryError.notARun(path, holding: stranger)
    }
    for folder in [path, checkpoints, "\(path)/samples"] { try make(folder) }
    guard access(path, W_OK) == 0 else { throw FileError("write to", path, code: errno) }
    guard let lock = try FolderLock(path) else { throw RunDirectoryError.inUse(path) }
    if !isRun { try replaceConfiguration(configuration) }
    return (differences, lock)
  }

  /// Makes `configuration` that of the run.
  ///
  /// - Throws: `FileError`.
  public func replaceConfiguration(_ configuration: TrainingConfiguration) throws {
    try WholeFile.write(Data(configuration.commentedYAML.utf8), to: self.configuration)
  }

  /// What a user sees there.
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

/// A directory that a run cannot go into.
public enum RunDirectoryError: Error, CustomStringConvertible, Equatable {
  case notARun(String, holding: String)
  case otherConfiguration(String, [SettingsDifference])
  case inUse(String)

  public var description: String {
    switch self {
    case .notARun(let path, let stranger):
      "\(path) holds something else than a run (\(stranger)): name a new or empty directory as --output"
    case .otherConfiguration(let path, let differences):
      "the run in \(path) has another configuration:\n"
        + differences.map { "  \($0)" }.joined(separator: "\n")
        + "\nuse its configuration, another --output, or --allow-changes"
    case .inUse(let path):
      "another process is training in \(path): wait until it ends, or name another --output"
    }
  }
}
