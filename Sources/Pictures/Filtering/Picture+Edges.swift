extension Picture {
  /// The edges, white on black, one pixel wide: [H, W, 1] with values 0 and 255 (Canny, "A Computational Approach to
  /// Edge Detection", 1986). Uses only integer arithmetic, so that results are the same everywhere and match OpenCV's
  /// `Canny` with an aperture of 3 and the L1 norm, with which published control networks were trained.
  ///
  /// There is no smoothing. Gradients are Sobel's, from the channel with the largest one. A pixel whose gradient is
  /// above `low` and a maximum across the edge is an edge if it is above `high`, or connected to such a pixel through
  /// its eight neighbours.
  ///
  /// - Parameters:
  ///   - low: threshold for |dx| + |dy|, which are at most 1020 each.
  ///   - high: threshold no less than `low`.
  public func edges(low: Int, high: Int) -> Picture {
    precondition(0 <= low && low <= high, "thresholds of \(low) and \(high)")
    let gradients = Gradients(self)
    var marks = [EdgeMark](repeating: .none, count: width * height)
    var strong: [Int] = []
    for y in 0..<height {
      for x in 0..<width where gradients.isCrest(x, y, above: low) {
        let place = y * width + x
        marks[place] = .possible
        if gradients.size(x, y) > high {
          marks[place] = .edge
          strong.append(place)
        }
      }
    }
    while let place = strong.popLast() {
      let (x, y) = (place % width, place / width)
      for nearY in max(y - 1, 0)...min(y + 1, height - 1) {
        for nearX in max(x - 1, 0)...min(x + 1, width - 1) where marks[nearY * width + nearX] == .possible {
          marks[nearY * width + nearX] = .edge
          strong.append(nearY * width + nearX)
        }
      }
    }
    return Picture(
      width: width, height: height, channels: 1, samples: marks.map { $0 == .edge ? 255 : 0 })
  }
}

private enum EdgeMark: UInt8 {
  case none
  /// An edge if it is connected to one.
  case possible
  case edge
}

/// Sobel gradients of a picture with replicated borders.
private struct Gradients {
  private let width: Int
  private let height: Int
  /// [H, W]
  private var dx: [Int32]
  private var dy: [Int32]
  /// |dx| + |dy|, [H + 2, W + 2], with a border of zeros.
  private var sizes: [Int32]

  init(_ picture: Picture) {
    (width, height) = (picture.width, picture.height)
    dx = [Int32](repeating: 0, count: width * height)
    dy = dx
    sizes = [Int32](repeating: 0, count: (width + 2) * (height + 2))
    for channel in 0..<picture.channels { add(picture, channel) }
  }

  /// Takes a channel's gradients where they are larger than those of previous channels.
  private mutating func add(_ picture: Picture, _ channel: Int) {
    for y in 0..<height {
      let rows = [max(y - 1, 0), y, min(y + 1, height - 1)]
      for x in 0..<width {
        let columns = [max(x - 1, 0), x, min(x + 1, width - 1)]
        func sample(_ row: Int, _ column: Int) -> Int32 {
          Int32(picture.samples[(rows[row] * width + columns[column]) * picture.channels + channel])
        }
        let right = sample(0, 2) + 2 * sample(1, 2) + sample(2, 2)
        let left = sample(0, 0) + 2 * sample(1, 0) + sample(2, 0)
        let below = sample(2, 0) + 2 * sample(2, 1) + sample(2, 2)
        let above = sample(0, 0) + 2 * sample(0, 1) + sample(0, 2)
        let size = abs(right - left) + abs(below - above)
        let place = (y + 1) * (width + 2) + x + 1
        guard channel == 0 || size > sizes[place] else { continue }
        sizes[place] = size
        dx[y * width + x] = right - left
        dy[y * width + x] = below - above
      }
    }
  }

  /// x from -1 to the width, y from -1 to the height.
  func size(_ x: Int, _ y: Int) -> Int { Int(sizes[(y + 1) * (width + 2) + x + 1]) }

  /// tan(22.5 degrees) * 2^15.
  private static let tangent = 13_573

  /// Whether the gradient is above `low` and not exceeded by its two neighbours along its direction, in steps of 45
  /// degrees. Of equal ones in a row or a column, the first counts.
  func isCrest(_ x: Int, _ y: Int, above low: Int) -> Bool {
    let size = size(x, y)
    guard size > low else { return false }
    let (dx, dy) = (Int(dx[y * width + x]), Int(dy[y * width + x]))
    let (across, down) = (abs(dx), abs(dy) << 15)
    if down < across * Self.tangent { return size > self.size(x - 1, y) && size >= self.size(x + 1, y) }
    // tan(67.5 degrees) = tan(22.5 degrees) + 2
    if down > across * Self.tangent + (across << 16) {
      return size > self.size(x, y - 1) && size >= self.size(x, y + 1)
    }
    let side = (dx ^ dy) < 0 ? -1 : 1
    return size > self.size(x - side, y - 1) && size > self.size(x + side, y + 1)
  }
}
