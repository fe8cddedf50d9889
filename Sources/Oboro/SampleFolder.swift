import Files
import Foundation

/// The output folder of `oboro sample`. Pictures of an earlier call are replaced once all new ones are complete.
struct SampleFolder {
  let path: String
  /// A hidden subfolder, which holds the pictures until they are complete.
  private let staging: String

  private static let gridName = "grid.png"
  private static let animationName = "denoising.gif"
  private static let stagingName = "samples"

  /// Creates the folder, or checks that it contains only pictures of an earlier call.
  ///
  /// - Throws: `SampleFolderError`, `FileError`.
  init(_ path: String) throws {
    self.path = path
    let files = FileManager.default
    do {
      try files.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw FileError("create the directory", path, cause: error)
    }
    if let stranger = try Self.contents(path).sorted().first(where: { !Self.isOurs($0) }) {
      throw SampleFolderError(path: path, stranger: stranger)
    }
    WholeFile.removeLeftovers(in: path)
    staging = try WholeFile.makeTemporaryFolder(in: path, name: Self.stagingName)
  }

  /// Replaces the pictures of an earlier call with the new ones.
  ///
  /// - Throws: `FileError`.
  func commit() throws {
    let names = try Self.contents(staging)
    for name in try Self.contents(path) where !names.contains(name) {
      guard unlink("\(path)/\(name)") == 0 else { throw FileError("remove", "\(path)/\(name)", code: errno) }
    }
    // The grid last, since it shows all of them.
    for name in names.sorted(by: { ($0 == Self.gridName ? 1 : 0, $0) < ($1 == Self.gridName ? 1 : 0, $1) }) {
      guard rename("\(staging)/\(name)", "\(path)/\(name)") == 0 else {
        throw FileError("write", "\(path)/\(name)", code: errno)
      }
    }
    rmdir(staging)
    try WholeFile.synchronizeFolder(path)
  }

  /// Removes the new pictures.
  func abandon() { try? FileManager.default.removeItem(atPath: staging) }

  /// The visible files in the folder.
  private static func contents(_ path: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path).filter { !$0.hasPrefix(".") }
    } catch {
      throw FileError("list", path, cause: error)
    }
  }

  /// The final path of the grid.
  var grid: String { "\(path)/\(Self.gridName)" }
  /// The paths to which the pictures are written first.
  var newGrid: String { "\(staging)/\(Self.gridName)" }
  var newAnimation: String { "\(staging)/\(Self.animationName)" }
  func new(_ name: String) -> String { "\(staging)/\(name)" }
  func newImage(_ index: Int) -> String { "\(staging)/\(String(format: "%05d", index)).png" }

  private static func isOurs(_ name: String) -> Bool {
    name == gridName || name == animationName || SampleFormat.allCases.contains { $0.fileName == name }
      || name.hasSuffix(".png") && name.count > 4 && name.dropLast(4).allSatisfy { $0.isASCII && $0.isNumber }
  }
}

/// A folder with content that must not be mixed with samples.
struct SampleFolderError: Error, CustomStringConvertible, ExitStatusProviding {
  let path: String
  let stranger: String

  var description: String {
    "\(path) holds something else than samples (\(stranger)): name a new or empty directory as --output"
  }
  var exitStatus: ExitStatus { .usage }
}
