import Files
import Foundation

/// Where `oboro sample` writes. An earlier call's pictures are replaced when the new ones are all there.
struct SampleFolder {
  let path: String
  /// Hidden in it, with the pictures until they are complete.
  private let staging: String

  private static let gridName = "grid.png"
  private static let animationName = "denoising.gif"
  private static let stagingName = "samples"

  /// Makes the folder, or checks that it holds nothing but an earlier call's pictures.
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

  /// Puts the new pictures in the place of those of an earlier call.
  ///
  /// - Throws: `FileError`.
  func commit() throws {
    let names = try Self.contents(staging)
    for name in try Self.contents(path) where !names.contains(name) {
      guard unlink("\(path)/\(name)") == 0 else { throw FileError("remove", "\(path)/\(name)", code: errno) }
    }
    // The grid last: it shows what all of them are.
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

  /// What a user sees there.
  private static func contents(_ path: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path).filter { !$0.hasPrefix(".") }
    } catch {
      throw FileError("list", path, cause: error)
    }
  }

  /// Where the grid is in the end.
  var grid: String { "\(path)/\(Self.gridName)" }
  /// Where they are to be written.
  var newGrid: String { "\(staging)/\(Self.gridName)" }
  var newAnimation: String { "\(staging)/\(Self.animationName)" }
  func new(_ name: String) -> String { "\(staging)/\(name)" }
  func newImage(_ index: Int) -> String { "\(staging)/\(String(format: "%05d", index)).png" }

  private static func isOurs(_ name: String) -> Bool {
    name == gridName || name == animationName || SampleFormat.allCases.contains { $0.fileName == name }
      || name.hasSuffix(".png") && name.count > 4 && name.dropLast(4).allSatisfy { $0.isASCII && $0.isNumber }
  }
}

/// A folder that holds something that samples should not be mixed with.
struct SampleFolderError: Error, CustomStringConvertible, ExitStatusProviding {
  let path: String
  let stranger: String

  var description: String {
    "\(path) holds something else than samples (\(stranger)): name a new or empty directory as --output"
  }
  var exitStatus: ExitStatus { .usage }
}
