/// A picture that cannot be made or read. What the system refuses is a `FileError`.
public struct PictureError: Error, Sendable, Equatable, CustomStringConvertible {
  public let path: String
  public let reason: String

  public init(path: String, reason: String) {
    self.path = path
    self.reason = reason
  }

  /// `samples/step-00001000.png: is no PNG picture`.
  public var description: String { "\(path): \(reason)" }
}
