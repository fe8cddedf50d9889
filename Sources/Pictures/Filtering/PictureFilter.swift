/// A picture that is made of another one, of the same size: what a control network can be shown of it.
public enum PictureFilter: Hashable, Sendable {
  /// `Picture.edges`.
  case edges(low: Int, high: Int)
  /// `Picture.blurred`; nil: a sixteenth of the shorter side.
  case blur(deviation: Double?)
  /// `Picture.foreground`.
  case mask

  /// Channels of what is made of a picture of `channels`.
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
