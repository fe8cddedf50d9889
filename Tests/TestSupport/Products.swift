import Foundation

/// The executables that the package builds.
public enum Products {
  /// A product that is not where the tests run from.
  public struct Missing: Error, CustomStringConvertible {
    public let path: String
    public var description: String {
      "\(path) is not an executable: let the test target depend on its target"
    }
  }

  /// The executable `name`, which is built beside the test runner.
  /// - Throws: `Missing`.
  public static func executable(_ name: String) throws -> URL {
    let runner = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    let url = runner.deletingLastPathComponent().appending(component: name)
    guard FileManager.default.isExecutableFile(atPath: url.path) else { throw Missing(path: url.path) }
    return url
  }
}
