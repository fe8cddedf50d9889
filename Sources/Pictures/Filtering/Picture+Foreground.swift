extension Picture {
  /// What is in front of a plain background, white on black: [H, W, 1], 255 where a channel differs by more than 16 from
  /// the background, which is each channel's median along the picture's border.
  public func foreground() -> Picture {
    let border = (0..<width * height).filter { place in
      let (x, y) = (place % width, place / width)
      return x == 0 || y == 0 || x == width - 1 || y == height - 1
    }
    let background = (0..<channels).map { channel in
      border.map { samples[$0 * channels + channel] }.sorted()[border.count / 2]
    }
    let differing = (0..<width * height).map { place in
      background.indices.contains { channel in
        abs(Int(samples[place * channels + channel]) - Int(background[channel])) > Self.tolerance
      }
    }
    return Picture(width: width, height: height, channels: 1, samples: differing.map { $0 ? 255 : 0 })
  }

  private static let tolerance = 16
}
