import Files
import Foundation

/// Where `oboro sample` writes.
struct SampleFolder {
  private let path: String

  private static let gridName = "grid.png"
  private static let animationName = "denoising.gif"

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
    if let stranger = try contents().sorted().first(where: { !Self.isOurs($0) }) {
      throw SampleFolderError(path: path, stranger: stranger)
    }
    guard access(path, W_OK) == 0 else { throw FileError("write to", path, code: errno) }
  }

  /// Removes the pictures of an earlier call.
  ///
  /// - Throws: `FileError`.
  func clear() throws {
    for name in try contents() where unlink("\(path)/\(name)") != 0 {
      throw FileError("remove", "\(path)/\(name)", code: errno)
    }
  }

  /// What a user sees there.
  private func contents() throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path).filter { !$0.hasPrefix(".") }
    } catch {
      throw FileError("list", path, cause: error)
    }
  }

  var grid: String { "\(path)/\(Self.gridName)" }
  var animation: String { "\(path)/\(Self.animationName)" }
  func image(_ index: Int) -> String { "\(path)/\(String(format: "%05d", index)).png" }

  private static func isOurs(_ name: String) -> Bool {
    name == gridName || name == animationName
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
