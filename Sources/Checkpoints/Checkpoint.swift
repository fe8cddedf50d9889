import Files
import Foundation

/// A complete checkpoint: a directory whose files match its manifest.
public struct Checkpoint: Sendable {
  public let directory: String
  public let manifest: CheckpointManifest

  static let modelFile = "model.h5"
  static func optimizerFile(_ index: Int, of count: Int) -> String {
    String(format: "optimizer-%05d-of-%05d.h5", index, count)
  }

  /// Opens the checkpoint in `directory` and checks every file's size and digest.
  ///
  /// - Parameter verifying: if false, digests are not checked here but by the code that reads the files.
  /// - Throws: `CheckpointError` naming what is missing, altered or unreadable; `FileError`.
  public init(opening directory: String, verifying: Bool = true) throws {
    var status = stat()
    if stat(directory, &status) != 0, errno == ENOENT {
      throw CheckpointError(directory, "there is no such checkpoint or run directory", code: ENOENT)
    }
    self.directory = directory
    manifest = try CheckpointManifest(checkpoint: directory)
    for file in manifest.files {
      let path = "\(directory)/\(file.name)"
      let size = try CheckpointError.naming(path) { try WholeFile.size(path) }
      guard size == file.bytes else {
        throw CheckpointError(path, "has \(size) bytes, its manifest says \(file.bytes)")
      }
      guard verifying else { continue }
      let digest = try CheckpointError.naming(path) { try SHA256.digest(ofFile: path) }
      guard digest == file.sha256 else { throw .altered(path) }
    }
  }

  /// A checkpoint opened by another rank.
  init(directory: String, manifest: CheckpointManifest) {
    self.directory = directory
    self.manifest = manifest
  }

  /// Passes `body` the checkpoint at `path`, or the newest undamaged one if `path` is a run directory. If `body` finds
  /// the checkpoint damaged, it is called again with the previous one.
  ///
  /// A run in progress removes old checkpoints: if one disappears while `body` reads it, `body` is called with a newer
  /// one.
  ///
  /// - Parameter onDamage: called for each newer checkpoint of the run that is damaged.
  /// - Throws: `CheckpointError` if there is none; what `body` throws; `FileError`.
  public static func read<Result>(
    at path: String, onDamage: (CheckpointError) -> Void, _ body: (Checkpoint) throws -> Result
  ) throws -> Result {
    let directory = RunDirectory(path)
    if FileManager.default.fileExists(atPath: directory.configuration) {
      let store = CheckpointStore(directory: directory.checkpoints)
      guard let result = try store.readNewest(onDamage: onDamage, body) else {
        throw CheckpointError(path, "the run has no checkpoint yet")
      }
      return result
    }
    // A link such as `latest` may be changed in the meantime, but all files must be from the same checkpoint.
    while true {
      let place = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
      do {
        return try body(Checkpoint(opening: place == path ? path : place, verifying: false))
      } catch  where URL(fileURLWithPath: path).resolvingSymlinksInPath().path != place {
        continue
      }
    }
  }
}
