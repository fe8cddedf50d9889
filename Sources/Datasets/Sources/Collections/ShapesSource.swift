import Foundation
import Randomness

/// A synthetic dataset: one filled shape on a plain background, with random class, colours, size, position and
/// rotation, and smooth edges. Image i depends only on the seed, the split and i.
public struct ShapesSource: ConcurrentImageSource {
  public let name = "shapes"
  public let split: String
  public let count: Int
  public let channels: Int
  public var height: Int { size }
  public var width: Int { size }
  public var classNames: [String] { Shape.allCases.map(\.rawValue) }

  private let size: Int
  private let seed: UInt64
  /// Separates the random numbers of the splits.
  private let splitNumber: Int
  private let outlines: [Outline]

  /// - Parameters:
  ///   - count: number of images, up to 2^32.
  ///   - size: height and width in pixels, 8 or more.
  ///   - channels: 3 for colour, 1 for grey.
  public init(count: Int, size: Int = 32, channels: Int = 3, seed: UInt64 = 0, split: Split = .train) {
    precondition(count > 0 && count <= 1 << 32, "count \(count) must be in 1...2^32")
    precondition(size >= 8, "size \(size) must be at least 8")
    precondition(channels == 1 || channels == 3, "channels \(channels) must be 1 or 3")
    self.count = count
    self.size = size
    self.channels = channels
    self.seed = seed
    self.split = split.rawValue
    splitNumber = split == .train ? 0 : 1
    outlines = Shape.allCases.map(\.outline)
  }

  public func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    let stream = RandomStream(seed: seed, purpose: .shapes, step: splitNumber, sample: index)
    func uniform(_ draw: Int, _ range: ClosedRange<Double>) -> Double {
      range.lowerBound + (range.upperBound - range.lowerBound) * Double(stream.bits(draw) >> 11) * 0x1p-53
    }
    let label = stream.integer(below: outlines.count, 0)
    let angle = uniform(1, 0...2 * Double.pi)
    let radius = Double(size) * uniform(2, 0.22...0.42)
    let center = Point(
      uniform(3, radius...Double(size) - radius), uniform(4, radius...Double(size) - radius))
    let (background, foreground) = colors { draw, range in uniform(5 + draw, range) }

    let (cosine, sine) = (cos(angle) / radius, sin(angle) / radius)
    for y in 0..<size {
      for x in 0..<size {
        let offset = Point(Double(x) + 0.5, Double(y) + 0.5) - center
        let point = Point(cosine * offset.x + sine * offset.y, cosine * offset.y - sine * offset.x)
        // The edge crosses pixels within half a pixel of it; the distance gives the coverage.
        let distance = radius * outlines[label].distance(to: point)
        let coverage = min(max(0.5 - distance, 0), 1)
        for channel in 0..<channels {
          let value = background[channel] + coverage * (foreground[channel] - background[channel])
          pixels[(y * size + x) * channels + channel] = UInt8((value * 255).rounded())
        }
      }
    }
    return Int32(label)
  }

  /// Two colours that differ in brightness.
  ///
  /// - Parameter uniform: returns draw i of this image, scaled to a range.
  private func colors(
    _ uniform: (Int, ClosedRange<Double>) -> Double
  ) -> (background: [Double], foreground: [Double]) {
    let contrast = 0.35
    // Many pairs differ enough; after 64 failed draws, falls back to black and white.
    for draw in stride(from: 0, to: 64 * 6, by: 6) {
      if channels == 1 {
        let (background, foreground) = (uniform(draw, 0...1), uniform(draw + 1, 0...1))
        if abs(background - foreground) >= contrast { return ([background], [foreground]) }
      } else {
        let background = Color(
          hue: uniform(draw, 0...1), saturation: uniform(draw + 1, 0...0.7), value: uniform(draw + 2, 0.1...1)
        )
        let foreground = Color(
          hue: uniform(draw + 3, 0...1), saturation: uniform(draw + 4, 0.5...1),
          value: uniform(draw + 5, 0.5...1))
        if abs(background.brightness - foreground.brightness) >= contrast {
          return (background.channels, foreground.channels)
        }
      }
    }
    return ([Double](repeating: 0, count: channels), [Double](repeating: 1, count: channels))
  }
}

/// A colour in red, green and blue, each in 0...1.
private struct Color {
  let channels: [Double]

  init(hue: Double, saturation: Double, value: Double) {
    channels = [0.0, 2.0 / 3, 1.0 / 3].map { shift in
      // Each primary is full for a third of the circle, absent for a third, and ramps in between.
      let place = (hue + shift).truncatingRemainder(dividingBy: 1) * 6
      let purity = min(max(abs(place - 3) - 1, 0), 1)
      return value * (1 - saturation * (1 - purity))
    }
  }

  /// Luma with ITU-R BT.601 weights.
  var brightness: Double { 0.299 * channels[0] + 0.587 * channels[1] + 0.114 * channels[2] }
}
