/// Pictures as they change from frame to frame: what an animation of a grid is made from. The ranks of a job each have
/// some of the pictures; their bytes, joined in the order of the ranks, are all of them.
public struct PictureFrames: Sendable, Equatable {
  /// How many frames there are of each picture.
  public let frameCount: Int
  public let pictureCount: Int
  public let width: Int
  public let height: Int
  public let channels: Int
  /// [picture, frame, height, width, channel]: pictures of several ranks follow one another.
  public private(set) var samples: [UInt8]

  private var pictureSize: Int { width * height * channels }

  /// `pictureCount` pictures, none for a rank without any, all black.
  public init(pictures pictureCount: Int, frames frameCount: Int, width: Int, height: Int, channels: Int) {
    precondition(pictureCount >= 0 && frameCount > 0, "\(frameCount) frames of \(pictureCount) pictures")
    precondition(width > 0 && height > 0 && (channels == 1 || channels == 3), "\(width) x \(height) x \(channels)")
    self.frameCount = frameCount
    self.pictureCount = pictureCount
    self.width = width
    self.height = height
    self.channels = channels
    samples = [UInt8](repeating: 0, count: pictureCount * frameCount * width * height * channels)
  }

  /// All pictures of several ranks.
  ///
  /// - Parameter parts: the samples of each rank, in order; of one without pictures they are empty.
  public init(joining parts: [[UInt8]], frames frameCount: Int, width: Int, height: Int, channels: Int) {
    let size = frameCount * width * height * channels
    for (rank, part) in parts.enumerated() {
      precondition(
        part.count % size == 0, "rank \(rank) has \(part.count) samples, no multiple of \(size) for a picture")
    }
    self.init(
      pictures: parts.reduce(0) { $0 + $1.count } / size, frames: frameCount, width: width, height: height,
      channels: channels)
    samples = parts.flatMap { $0 }
  }

  /// One picture in one frame.
  public subscript(picture picture: Int, frame frame: Int) -> Picture {
    get {
      let start = start(picture, frame)
      return Picture(
        width: width, height: height, channels: channels, samples: Array(samples[start..<start + pictureSize]))
    }
    set {
      precondition(
        (newValue.width, newValue.height, newValue.channels) == (width, height, channels),
        "a picture of \(newValue.width) x \(newValue.height) x \(newValue.channels), expected \(width) x \(height) x "
          + "\(channels)")
      let start = start(picture, frame)
      samples.replaceSubrange(start..<start + pictureSize, with: newValue.samples)
    }
  }

  /// Each frame as a grid of all pictures, which are at least one, one after the other.
  public func animation(of grid: ImageGrid, delay: Int = 5, lastDelay: Int = 200) -> PictureAnimation {
    precondition(pictureCount > 0, "an animation of no pictures")
    return PictureAnimation(
      (0..<frameCount).map { frame in grid.compose((0..<pictureCount).map { self[picture: $0, frame: frame] }) },
      delay: delay, lastDelay: lastDelay)
  }

  private func start(_ picture: Int, _ frame: Int) -> Int {
    precondition(
      (0..<pictureCount).contains(picture) && (0..<frameCount).contains(frame),
      "picture \(picture) of \(pictureCount), frame \(frame) of \(frameCount)")
    return (picture * frameCount + frame) * pictureSize
  }
}
