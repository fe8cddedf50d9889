import Foundation

/// A new directory, removed with its content when this is released, or else when the process exits.
public final class TemporaryDirectory: Sendable {
  public let path: String

  /// Holds all those of this process: what static variables hold is never released.
  private static let root: String = {
    atexit { try? FileManager.default.removeItem(atPath: TemporaryDirectory.root) }
    return FileManager.default.temporaryDirectory.appending(component: "oboro-tests-\(getpid())").path
  }()

  public init() throws {
    path = "\(Self.root)/\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
