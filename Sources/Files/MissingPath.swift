import Foundation

extension String {
  /// For messages about a missing file: where this path was looked for, if it is relative; empty for an absolute one.
  public var lookedForNote: String {
    hasPrefix("/") ? "" : " (a relative path, looked for in \(FileManager.default.currentDirectoryPath))"
  }
}
