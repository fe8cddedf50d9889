import Files
import Foundation
import Logging

/// The checkpoints of a run: a directory with `step-00001000` and so on, and `latest`, a link to the newest.
public struct CheckpointStore: Sendable {
  public let directory: String
  /// How many of the newest checkpoints to keep; 0 keeps all.
  private let keep: Int
  /// Checkpoints of steps divisible by this are kept forever; 0 disables this.
  private let keepEvery: Int

  private static let prefix = "step-"
  private static let latest = "latest"
  /// Suffixes of the hidden names of checkpoints that are being written or removed.
  static let partial = ".tmp"
  private static let discarded = ".old"

  public init(directory: String, keep: Int = 0, keepEvery: Int = 0) {
    self.directory = directory
    self.keep = keep
    self.keepEvery = keepEvery
  }

  /// The base name of files that belong to a step, for both checkpoints and samples.
  static func name(step: Int) -> String { prefix + String(format: "%08d", step) }

  /// The step in a file name of that form; nil for any other name.
  static func step(ofFile name: String, type: String) -> Int? {
    name.hasPrefix(prefix) && name.hasSuffix(type)
      ? Int(name.dropFirst(prefix.count).dropLast(type.count)) : nil
  }

  /// The steps for which there is a checkpoint, complete or not, newest first.
  public func steps() throws -> [Int] {
    guard FileManager.default.fileExists(atPath: directory) else { return [] }
    do {
      return try FileManager.default.contentsOfDirectory(atPath: directory)
        .compactMap { $0.hasPrefix(Self.prefix) ? Int($0.dropFirst(Self.prefix.count)) : nil }
        .sorted(by: >)
    } catch {
      throw FileError("list", directory, cause: error)
    }
  }

  /// Removes the remains of a crash while a checkpoint was being saved or removed.
  ///
  /// - Throws: `FileError`.
  package func removeLeftovers() throws {
    let files = FileManager.default
    for name in (try? files.contentsOfDirectory(atPath: directory)) ?? []
    where [Self.prefix, Self.latest].contains(where: { name.hasPrefix(".\($0)") })
      && (name.hasSuffix(Self.partial) || name.hasSuffix(Self.discarded))
    {
      do {
        try files.removeItem(atPath: "\(directory)/\(name)")
      } catch {
        throw FileError("remove", "\(directory)/\(name)", cause: error)
      }
    }
  }

  /// The newest complete and unaltered checkpoint; nil if there are no checkpoints. Calls `onDamage` for each damaged
  /// one that is newer.
  ///
  /// - Throws: `CheckpointError` if there are checkpoints but all are damaged.
  public func newest(onDamage: (CheckpointError) -> Void) throws -> Checkpoint? {
    try readNewest(onDamage: onDamage) { try Checkpoint(opening: $0.directory) }
  }

  /// Returns the result of `body` for the newest checkpoint that it does not find damaged; nil if there are no
  /// checkpoints.
  ///
  /// Another process may concurrently save checkpoints here and remove old ones: a checkpoint that has disappeared does
  /// not count as damaged, as a newer one has replaced it.
  ///
  /// - Throws: `CheckpointError` if there are checkpoints but all are damaged; what `body` throws.
  func readNewest<Result>(
    onDamage: (CheckpointError) -> Void, _ body: (Checkpoint) throws -> Result
  ) throws -> Result? {
    var damaged: [Int: CheckpointError] = [:]
    while true {
      var isStale = false
      for step in try steps() where damaged[step] == nil {
        do {
          return try body(Checkpoint(opening: path(step), verifying: false))
        } catch {
          if isGone(step) {
            isStale = true
            break
          }
          guard let error = error as? CheckpointError, error.isDamage else { throw error }
          damaged[step] = error
          onDamage(error)
        }
      }
      if !isStale { break }
    }
    if damaged.isEmpty { return nil }
    throw noneIsGood(damaged)
  }

  /// Whether a checkpoint has been removed since it was listed.
  private func isGone(_ step: Int) -> Bool {
    var status = stat()
    return stat(path(step), &status) != 0 && (errno == ENOENT || errno == ESTALE)
  }

  func noneIsGood(_ damaged: [Int: CheckpointError]) -> CheckpointError {
    let codes = damaged.values.map(\.code)
    let names = damaged.keys.sorted(by: >).map(Self.name(step:)).joined(separator: ", ")
    return CheckpointError(
      directory, "none of its checkpoints is good (\(names)); move them away to start the run anew",
      code: codes.contains(nil) ? nil : codes[0])
  }

  /// Where a checkpoint is written until it is complete.
  ///
  /// - Parameter writer: separates processes that write the same step: writes of a process that is lost but not yet
  ///   dead may still arrive.
  package func partialPath(_ step: Int, writer: String) -> String {
    "\(directory)/.\(Self.name(step: step)).\(writer)\(Self.partial)"
  }

  /// Renames `partial`, all of whose files have been flushed to the device, to the checkpoint's final name; updates
  /// `latest`, and removes expired checkpoints.
  ///
  /// - Returns: problems that occurred after the checkpoint was complete and do not affect it.
  /// - Throws: `FileError`, in which case there is no checkpoint.
  package func publish(_ partial: String, step: Int) throws -> [String] {
    // Exists only if it is damaged, or if the run was resumed from an earlier step.
    try remove(path(step))
    try WholeFile.rename(partial, to: path(step))
    var problems: [String] = []
    do {
      try link(to: Self.name(step: step))
    } catch {
      problems.append(
        "\(error). \(directory)/\(Self.latest) is a convenience: commands that are given the run find its newest checkpoint without it"
      )
    }
    do {
      guard keep > 0 else { return problems }
      for old in try steps().filter({ $0 <= step }).dropFirst(keep)
      where keepEvery == 0 || old % keepEvery != 0 { try remove(path(old)) }
    } catch {
      problems.append("an older one stays: \(error)")
    }
    return problems
  }

  package func path(_ step: Int) -> String { "\(directory)/\(Self.name(step: step))" }

  /// Some file systems do not support links, and a copy made by a tool that follows links has a directory in place of
  /// one.
  private func link(to name: String) throws {
    let path = "\(directory)/\(Self.latest)"
    let temporary = "\(directory)/.\(Self.latest)\(Self.partial)"
    unlink(temporary)
    guard symlink(name, temporary) == 0 else { throw FileError("make the link", path, code: errno) }
    do {
      if isCheckpointCopy(path) { try remove(path) }
      try WholeFile.rename(temporary, to: path)
    } catch {
      unlink(temporary)
      throw (error as? FileError).map { FileError("make the link", path, code: $0.code) } ?? error
    }
  }

  /// Whether `path` is a directory, rather than a link to one, that holds a checkpoint.
  private func isCheckpointCopy(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      && FileManager.default.fileExists(atPath: "\(path)/\(CheckpointManifest.fileName)")
  }

  /// Removes a checkpoint so that its remains after a crash do not look like a checkpoint.
  private func remove(_ path: String) throws {
    guard FileManager.default.fileExists(atPath: path) else { return }
    let hidden = "\(directory)/.\(URL(fileURLWithPath: path).lastPathComponent)\(Self.discarded)"
    do {
      try? FileManager.default.removeItem(atPath: hidden)
      try WholeFile.rename(path, to: hidden)
      try FileManager.default.removeItem(atPath: hidden)
    } catch let error as FileError {
      throw error
    } catch {
      throw FileError("remove", path, cause: error)
    }
  }
}

/// Thrown when a checkpoint could not be written, for example for lack of disk space.
public struct CheckpointSavingError: Error, CustomStringConvertible, Equatable {
  public let path: String
  /// The system's error message.
  public let reason: String

  public var description: String {
    "cannot save the checkpoint \(path): \(reason). Earlier ones are as they were: "
      + "once this is mended, the same command goes on from the newest"
  }
}
