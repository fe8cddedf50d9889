/// Height, width and channels of images.
public struct ImageShape: Equatable, Sendable, CustomStringConvertible {
  public let height: Int
  public let width: Int
  public let channels: Int

  public init(height: Int, width: Int, channels: Int) {
    (self.height, self.width, self.channels) = (height, width, channels)
  }

  public var count: Int { height * width * channels }
  public var description: String { "\(height) x \(width) x \(channels)" }
}
