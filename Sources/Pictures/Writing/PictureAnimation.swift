import CGD
import Files

/// A sequence of pictures of equal size, shown in an endless loop.
public struct PictureAnimation: Sendable {
  public let frames: [Picture]
  /// Duration of each frame in hundredths of a second.
  public var delay: Int
  /// Duration of the last frame, which is usually the one of interest.
  public var lastDelay: Int

  /// - Parameters:
  ///   - frames: at least one, all of the same size and number of channels.
  ///   - delay: hundredths of a second, up to 65535; many viewers slow down values below 2.
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

  /// Writes the animation to a GIF file atomically. Greys are exact; each coloured frame has its own palette of up to
  /// 256 colours, and is exact if that suffices.
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
      // Every frame covers the previous one, so none needs to be disposed of or compared with it.
      bytes += try Canvas.bytes(for: path) {
        gdImageGifAnimAddPtr(
          canvas.image, $0, isGrey ? 0 : 1, 0, 0, delay, Int32(gdDisposalNone), nil)
      }
    }
    bytes += try Canvas.bytes(for: path) { gdImageGifAnimEndPtr($0) }
    try WholeFile.write(bytes, to: path)
  }

  /// The repetition count that denotes an endless loop.
  private static let endlessly: Int32 = 0
}
