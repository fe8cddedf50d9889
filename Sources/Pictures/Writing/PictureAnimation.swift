import CGD
import Files

/// A sequence of pictures of one size, shown again and again.
public struct PictureAnimation: Sendable {
  public let frames: [Picture]
  /// How long each frame is shown, in hundredths of a second.
  public var delay: Int
  /// How long the last frame is shown, which is the one to look at.
  public var lastDelay: Int

  /// - Parameters:
  ///   - frames: at least one, all of one size and number of channels.
  ///   - delay: hundredths of a second, up to 65535; many viewers show what is below 2 slowly.
  public init(_ frames: [Picture], delay: Int = 5, lastDelay: Int = 200) {
    guard let first = frames.first else { preconditionFailure("an animation of no frames") }
    for (index, frame) in frames.enumerated() {
      precondition(
        (frame.width, frame.height, frame.channels) == (first.width, first.height, first.channels),
        "frame \(index) is \(frame.width) x \(frame.height) x \(frame.channels), the first \(first.width) x "
          + "\(first.height) x \(first.channels)")
    }
    precondition(
      (0...65535).contains(delay) && (0...65535).contains(lastDelay), "delays \(delay), \(lastDelay)")
    self.frames = frames
    self.delay = delay
    self.lastDelay = lastDelay
  }

  /// Writes the animation as a GIF file, whole or not at all. Greys are exact; each coloured frame has a palette of
  /// its own of up to 256 colours, exact where it has no more.
  ///
  /// - Throws: ``PictureError``, `FileError`.
  public func writeGIF(to path: String) throws {
    let isGrey = frames[0].channels == 1
    var bytes = [UInt8]()
    for (index, frame) in frames.enumerated() {
      let canvas = try isGrey ? Canvas.exact(frame, for: path) : Canvas.quantized(frame, for: path)
      if index == 0 {
        bytes += try Canvas.bytes(for: path) {
          gdImageGifAnimBeginPtr(canvas.image, $0, isGrey ? 1 : 0, Self.endlessly)
        }
      }
      let delay = Int32(index == frames.count - 1 ? lastDelay : delay)
      // Every frame covers the one before, so none needs to be removed or compared with it.
      bytes += try Canvas.bytes(for: path) {
        gdImageGifAnimAddPtr(
          canvas.image, $0, isGrey ? 0 : 1, 0, 0, delay, Int32(gdDisposalNone), nil)
      }
    }
    bytes += try Canvas.bytes(for: path) { gdImageGifAnimEndPtr($0) }
    try WholeFile.write(bytes, to: path)
  }

  /// The number of repetitions that stands for no end.
  private static let endlessly: Int32 = 0
}
