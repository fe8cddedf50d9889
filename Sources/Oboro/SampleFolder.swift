import Files
import Foundation

/// Where `oboro sample` writes.
struct SampleFolder {
  private let path: String

  private static let gridName = "grid.png"
  private static let animationName = "denoising.gif"

  /// Makes the folder, or checks that it holds nothing but an earlier call's pictures, which it removes.
  ///
  /// - Throws: `SampleFolderError`, `FileError`.
  init(_ path: String) throws {
    self.path = path
    let files = FileManager.default
    do {
      try files.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw FileError("create", path, code: errno == 0 ? EEXIST : errno)
    }
    let present = (try? files.contentsOfDirectory(atPath: path)) ?? []
    if let stranger = present.sorted().first(where: { !Self.isOurs($0) }) {
      throw SampleFolderError(path: path, stranger: stranger)
    }
    guard access(path, W_OK) == 0 else { throw FileError("write to", path, code: errno) }
    for name in present { try? files.removeItem(atPath: "\(path)/\(name)") }
  }

  var grid: String { "\(path)/\(Self.gridName)" }
  var animation: String { "\(path)/\(Self.animationName)" }
  func image(_ index: Int) -> String { "\(path)/\(String(format: "%05d", index)).png" }

  private static func isOurs(_ name: String) -> Bool {
    name == gridName || name == animationName
      || name.hasSuffix(".png") && name.dropLast(4).allSatisfy { $0.isASCII && $0.isNumber }
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
