import Foundation

/// A dataset's directory while its files are made: they get temporary names, and the dataset is there only when all
/// are complete. A crash leaves either the earlier dataset or none, never a mixture; what it leaves lying about is
/// recognised and removed by the next attempt.
final class StagedDirectory {
  private let path: String
  private let split: String
  /// The directories that we made, outermost first.
  private let created: [String]
  /// Open on the directory; holds its lock.
  private let descriptor: Int32

  /// Takes a directory for a dataset, and makes it if it is not there.
  ///
  /// - Throws: `DatasetError` if the directory holds anything but an earlier copy of this dataset, if another process
  ///   is making a dataset there, or if it cannot be made.
  init(_ path: String, name: String, split: String) throws {
    let created = try Self.makeDirectories(path)
    do {
      descriptor = try Self.lock(path)
      self.path = path
      self.split = split
      self.created = created
      do {
        try checkContent(name: name)
        try removePartialFiles()
      } catch {
        Self.release(descriptor)
        throw error
      }
    } catch {
      for directory in created.reversed() { rmdir(directory) }
      throw error
    }
  }

  /// The path to write the file `name` to until it is complete.
  func partialPath(of name: String) -> String { filePath(path, ".\(name).partial") }

  /// Makes files that are complete under their temporary names the dataset: flushes them to the disk, and gives them
  /// their names, the manifest last.
  func commit(shards: [String], manifest: Data) throws {
    let manifestPath = filePath(path, DatasetManifest.fileName)
    for shard in shards { try Self.synchronize(partialPath(of: shard)) }
    try Self.write(manifest, to: partialPath(of: DatasetManifest.fileName))

    // From here until the new manifest has its name, the directory holds no dataset.
    if unlink(manifestPath) != 0 && errno != ENOENT { throw DatasetError.system(manifestPath, "replace it") }
    for name in try Self.names(in: path) where isShard(name) { unlink(filePath(path, name)) }
    try synchronizeDirectory()
    for shard in shards { try rename(shard) }
    try synchronizeDirectory()
    try rename(DatasetManifest.fileName)
    try synchronizeDirectory()
    Self.release(descriptor)
  }

  /// Gives up: removes the temporary files, and the directory if we made it.
  func abandon() {
    try? removePartialFiles()
    if !FileManager.default.fileExists(atPath: filePath(path, DatasetManifest.fileName)) {
      // Shards without a manifest are no dataset: they are ours, from a commit that failed.
      for name in (try? Self.names(in: path)) ?? [] where isShard(name) { unlink(filePath(path, name)) }
    }
    for directory in created.reversed() { rmdir(directory) }
    Self.release(descriptor)
  }

  /// Gives up the lock and the descriptor. Closing alone would leave the lock with a process that another thread is
  /// just starting: between its fork and its exec it has our descriptors.
  private static func release(_ descriptor: Int32) {
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}

extension StagedDirectory {
  private func checkContent(name: String) throws {
    let names = try Self.names(in: path)
    var expected: Set<String> = []
    if names.contains(DatasetManifest.fileName) {
      let earlier = try DatasetManifest(directory: path)
      guard earlier.name == name, earlier.split == split else {
        throw DatasetError.badData(
          path,
          "holds the dataset \(earlier.name), split \(earlier.split), which \(name), split \(split), would replace; "
            + "choose another directory or remove this one")
      }
      expected = Set(earlier.shards.map(\.fileName) + [DatasetManifest.fileName])
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
    guard name.hasPrefix("."), name.hasSuffix(".partial") else { return false }
    let complete = String(name.dropFirst().dropLast(".partial".count))
    return complete == DatasetManifest.fileName || isShard(complete)
  }

  private func removePartialFiles() throws {
    for name in try Self.names(in: path) where isPartial(name) { unlink(filePath(path, name)) }
  }

  private func rename(_ name: String) throws {
    let final = filePath(path, name)
    guard Foundation.rename(partialPath(of: name), final) == 0 else {
      throw DatasetError.system(final, "give the complete file its name")
    }
  }

  /// Flushes names; file systems that cannot do that for a directory keep them otherwise.
  private func synchronizeDirectory() throws {
    if fsync(descriptor) != 0 && errno != EINVAL && errno != ENOTSUP {
      throw DatasetError.system(path, "flush it to the disk")
    }
  }

  private static func names(in directory: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: directory)
    } catch {
      throw DatasetError(
        kind: .inputOutput, path: directory, problem: "cannot list it: \(error.localizedDescription)")
    }
  }

  /// Makes `path` and the directories above it that are missing; returns those that it made, outermost first.
  private static func makeDirectories(_ path: String) throws -> [String] {
    var missing: [String] = []
    var directory = path
    while !directory.isEmpty, !FileManager.default.fileExists(atPath: directory) {
      missing.append(directory)
      directory = (directory as NSString).deletingLastPathComponent
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

  /// Opens a directory and locks it, for as long as it is open, against other makers of datasets.
  private static func lock(_ path: String) throws -> Int32 {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw DatasetError.system(path, "open it as a directory") }
    // Some network file systems have no locks; there nothing guards against two makers at once.
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
      close(descriptor)
      throw DatasetError(kind: .inputOutput, path: path, problem: "another process is making a dataset here")
    }
    return descriptor
  }

  private static func synchronize(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw DatasetError.system(path, "open it") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw DatasetError.system(path, "flush it to the disk") }
  }

  private static func write(_ content: Data, to path: String) throws {
    do {
      try content.write(to: URL(fileURLWithPath: path))
    } catch {
      throw DatasetError(
        kind: .inputOutput, path: path, problem: "cannot write it: \(error.localizedDescription)")
    }
    try synchronize(path)
  }
}
