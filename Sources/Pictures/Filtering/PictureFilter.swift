/// Derives a picture of the same size from another one, as a condition for a control network.
public enum PictureFilter: Hashable, Sendable {
  /// `Picture.edges`.
  case edges(low: Int, high: Int)
  /// `Picture.blurred`; nil for a sixteenth of the shorter side.
  case blur(deviation: Double?)
  /// `Picture.foreground`.
  case mask

  /// Number of output channels for a picture with `channels`.
  public func channels(of channels: Int) -> Int {
    switch self {
    case .edges, .mask: 1
    case .blur: channels
    }
  }

  public func callAsFunction(_ picture: Picture) -> Picture {
    switch self {
    case .edges(let low, let high): picture.edges(low: low, high: high)
    case .blur(let deviation):
      picture.blurred(deviation: deviation ?? Double(min(picture.width, picture.height)) / 16)
    case .mask: picture.foreground()
    }
  }
}
