import Files
import Foundation
import Pictures
import Testing

/// Pictures that are made of others.
@Suite struct FilterTests {
  /// A case of `Fixtures/edges.json`, which `generators/edges.py` writes.
  struct Golden: Decodable, Sendable, CustomTestStringConvertible {
    let height: Int
    let width: Int
    let channels: Int
    let low: Int
    let high: Int
    let pixels: Data
    let edges: Data

    var testDescription: String { "\(height) x \(width) x \(channels), \(low), \(high)" }

    static var all: [Golden] {
      get throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
          .appending(path: "Fixtures/edges.json").path
        return try JSONDecoder().decode([Golden].self, from: Data(WholeFile.read(path)))
      }
    }
  }

  @Test(arguments: try Golden.all) func edgesAreThoseOfOpenCV(_ golden: Golden) {
    let picture = Picture(
      width: golden.width, height: golden.height, channels: golden.channels, samples: Array(golden.pixels))
    let edges = PictureFilter.edges(low: golden.low, high: golden.high)(picture)
    #expect(edges.channels == 1)
    #expect(edges.samples == Array(golden.edges))
  }

  @Test func aPlainPictureHasNoEdgesAndStaysAsItIsBlurred() {
    let plain = Picture(width: 5, height: 4, channels: 3, samples: (0..<60).map { UInt8(50 * ($0 % 3)) })
    #expect(plain.edges(low: 0, high: 0).samples == [UInt8](repeating: 0, count: 20))
    #expect(plain.blurred(deviation: 1.3) == plain)
    #expect(plain.foreground().samples == [UInt8](repeating: 0, count: 20))
  }

  /// A point becomes the weights themselves, in both directions.
  @Test func aPointIsBlurredByANormalDistribution() {
    var samples = [UInt8](repeating: 0, count: 81)
    samples[40] = 255
    let blurred = Picture(width: 9, height: 9, channels: 1, samples: samples).blurred(deviation: 1)
    let sum = (-3...3).map { exp(-Double($0 * $0) / 2) }.reduce(0, +)
    for y in 0..<9 {
      for x in 0..<9 {
        let distance = Double((x - 4) * (x - 4) + (y - 4) * (y - 4))
        let isNear = abs(x - 4) <= 3 && abs(y - 4) <= 3
        let expected = isNear ? 255 * exp(-distance / 2) / (sum * sum) : 0
        #expect(abs(Double(blurred.samples[y * 9 + x]) - expected) <= 0.51)
      }
    }
  }

  @Test func theForegroundDiffersFromTheBorder() {
    var samples = [UInt8](repeating: 200, count: 36)
    for place in [14, 15, 20] { samples[place] = 180 }
    samples[21] = 190
    let mask = PictureFilter.mask(Picture(width: 6, height: 6, channels: 1, samples: samples))
    #expect(mask.samples.indices.filter { mask.samples[$0] == 255 } == [14, 15, 20])
  }
}
