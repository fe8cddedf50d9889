import Files
import Foundation

/// A dataset's directory while its files are written: they have temporary names, and the dataset exists only once all
/// are complete. A crash leaves either the earlier dataset or none, never a mixture; leftover files are recognised and
/// removed by the next attempt.
final class StagedDirectory {
  private let path: String
  private let split: String
  /// The directories created by this object, outermost first.
  private let created: [String]
  /// Excludes other processes that write a dataset there.
  private let lock: FolderLock

  /// Locks a directory for a dataset, creating it if necessary.
  ///
  /// - Throws: `DatasetError` if the directory holds anything but an earlier copy of this dataset, if another process
  ///   is writing a dataset there, or if it cannot be created.
  init(_ path: String, name: String, split: String) throws {
    let created = try Self.makeDirectories(path)
    do {
      guard let lock = try DatasetError.mapping({ try FolderLock(path) }) else {
        throw DatasetError(
          kind: .inputOutput, path: path, problem: "another process is making a dataset here")
      }
      self.path = path
      self.split = split
      self.created = created
      self.lock = lock
      try checkContent(name: name)
      try removePartialFiles()
    } catch {
      for directory in created.reversed() { rmdir(directory) }
      throw error
    }
  }

  /// The path for writing the file `name` until it is complete.
  func partialPath(of name: String) -> String { filePath(path, ".\(name).partial") }

  /// Publishes files that are complete under their temporary names: flushes them to disk, then renames them, the
  /// manifest last.
  ///
  /// - Parameter hasUnreadable: whether they include a list of unreadable pictures.
  func commit(shards: [String], hasUnreadable: Bool = false, manifest: Data) throws {
    try DatasetError.mapping {
      let names = shards + (hasUnreadable ? [DatasetWriter.unreadableName] : [])
      for name in names { try WholeFile.synchronize(partialPath(of: name)) }

      // From here until the new manifest is in place, the directory holds no dataset.
      try remove(DatasetManifest.fileName)
      for name in try self.names() where isShard(name) || name == DatasetWriter.unreadableName {
        try remove(name)
      }
      try WholeFile.synchronizeFolder(path)
      for name in names { try WholeFile.rename(partialPath(of: name), to: filePath(path, name)) }
      try WholeFile.write(manifest, to: filePath(path, DatasetManifest.fileName))
    }
  }

  /// Removes the temporary files, and the directory if this object created it.
  func abandon() {
    try? removePartialFiles()
    if !FileManager.default.fileExists(atPath: filePath(path, DatasetManifest.fileName)) {
      // Shards without a manifest are not a dataset: they stem from a failed commit of this object.
      for name in (try? names()) ?? [] where isShard(name) || name == DatasetWriter.unreadableName {
        try? remove(name)
      }
    }
    for directory in created.reversed() { rmdir(directory) }
  }
}

extension StagedDirectory {
  private func checkContent(name: String) throws {
    let names = try names()
    var expected: Set<String> = [DatasetWriter.unreadableName, DatasetWriter.workName]
    if names.contains(DatasetManifest.fileName) {
      let earlier = try DatasetManifest(directory: path)
      guard earlier.name == name, earlier.split == split else {
        throw DatasetError.badData(
          path,
          "holds the dataset \(earlier.name), split \(earlier.split), which \(name), split \(split), would replace; "
            + "choose another directory or remove this one")
      }
      expected.formUnion(earlier.shards.map(\.file) + [DatasetManifest.fileName])
    }
    let foreign = names.filter { !expected.contains($0) && !isShard($0) && !isPartial($0) }.sorted()
    guard foreign.isEmpty else {
      let more = foreign.count > 3 ? " and \(foreign.count - 3) more" : ""
      throw DatasetError.badData(
        path,
        "holds what is not part of a dataset (\(foreign.prefix(3).joined(separator: ", "))\(more)); "
          + "choose a new or empty directory")
    }
  }

  private func isShard(_ name: String) -> Bool {
    guard name.hasPrefix("\(split)-"), name.hasSuffix(".h5") else { return false }
    let parts = name.dropFirst(split.count + 1).dropLast(3).split(
      separator: "-", omittingEmptySubsequences: false)
    let isNumber = { (text: Substring) in text.count >= 5 && text.allSatisfy { "0"..."9" ~= $0 } }
    return parts.count == 3 && isNumber(parts[0]) && parts[1] == "of" && isNumber(parts[2])
  }

  private func isPartial(_ name: String) -> Bool {
    // The manifest's temporary file is named by `WholeFile`.
    if name.hasPrefix(".\(DatasetManifest.fileName)."), name.hasSuffix(".tmp") { return true }
    guard name.hasPrefix("."), name.hasSuffix(".partial") else { return false }
    let complete = String(name.dropFirst().dropLast(".partial".count))
    return isShard(complete)
      || [DatasetManifest.fileName, DatasetWriter.unreadableName, SampleSpool.fileName].contains(complete)
  }

  private func removePartialFiles() throws {
    for name in try names() where isPartial(name) { unlink(filePath(path, name)) }
  }

  private func remove(_ name: String) throws {
    let path = filePath(path, name)
    if unlink(path) != 0 && errno != ENOENT { throw DatasetError.system(path, "replace it") }
  }

  private func names() throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw DatasetError(FileError("list", path, cause: error))
    }
  }

  /// Creates `path` and its missing parents; returns the created directories, outermost first.
  private static func makeDirectories(_ path: String) throws -> [String] {
    var missing: [String] = []
    var directory = path
    while !directory.isEmpty, !FileManager.default.fileExists(atPath: directory) {
      missing.append(directory)
      // Not NSString's method of that name, which traps on one-character names.
      directory = URL(fileURLWithPath: directory).deletingLastPathComponent().path
    }
    var created: [String] = []
    for directory in missing.reversed() {
      guard mkdir(directory, 0o777) == 0 else {
        let error = DatasetError(
          kind: .inputOutput, path: directory, problem: "cannot make it: \(String(cString: strerror(errno)))")
        for directory in created.reversed() { rmdir(directory) }
        throw error
      }
      created.append(directory)
    }
    return created
  }
}
