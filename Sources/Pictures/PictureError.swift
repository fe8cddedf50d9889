/// A picture that cannot be created or read. Failed system calls throw `FileError` instead.
public struct PictureError: Error, Sendable, Equatable, CustomStringConvertible {
  public let path: String
  public let reason: String

  public init(path: String, reason: String) {
    self.path = path
    self.reason = reason
  }

  /// For example, `samples/step-00001000.png: is no PNG picture`.
  public var description: String { "\(path): \(reason)" }
}
