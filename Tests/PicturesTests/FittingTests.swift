import Foundation
import Pictures
import TestSupport
import Testing

/// Pictures scaled and cut, against a plain version in double precision that works pixel by pixel in two dimensions.
@Suite struct FittingTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let from: (width: Int, height: Int)
    let to: (width: Int, height: Int)
    let channels: Int
    var testDescription: String { "\(from) to \(to), \(channels) channels" }
  }

  static let cases = [
    ((64, 64), (32, 32)), ((61, 47), (16, 16)), ((47, 61), (16, 16)), ((100, 20), (7, 13)),
    ((33, 33), (32, 32)),
    ((500, 375), (64, 64)), ((20, 30), (64, 64)), ((7, 5), (28, 28)), ((1, 1), (8, 8)), ((2, 9), (5, 5)),
    ((90, 60), (60, 90)), ((40, 30), (30, 30)), ((3, 200), (3, 1)),
  ].flatMap { from, to in [1, 3].map { Case(from: from, to: to, channels: $0) } }

  @Test(arguments: cases) func agreesWithThePlainVersion(_ test: Case) {
    var generator = SeededGenerator(seed: 7)
    let source = picture(test.from.width, test.from.height, test.channels) { _ in
      Int.random(in: 0...255, using: &generator)
    }
    let fitted = source.fitted(width: test.to.width, height: test.to.height)
    #expect((fitted.width, fitted.height, fitted.channels) == (test.to.width, test.to.height, test.channels))
    let reference = Self.plain(source, test.to.width, test.to.height)
    var worst = 0.0
    for (sample, value) in zip(fitted.samples, reference) { worst = max(worst, abs(Double(sample) - value)) }
    // Half a level of rounding, and what sums in single precision lose.
    #expect(worst <= 0.501)
  }

  private static func plain(_ picture: Picture, _ width: Int, _ height: Int) -> [Double] {
    let scale = min(Double(picture.width) / Double(width), Double(picture.height) / Double(height))
    /// The weight of old pixel `old` for new pixel `new`, of `count` and `newCount` of them.
    func weights(_ new: Int, _ count: Int, _ newCount: Int) -> [Double] {
      let margin = (Double(count) - Double(newCount) * scale) / 2
      let raw = (0..<count).map { old -> Double in
        if scale >= 1 {
          let low = floor(margin) + Double(new) * scale
          return max(0, min(Double(old + 1), low + scale) - max(Double(old), low))
        }
        let distance = abs(margin + (Double(new) + 0.5) * scale - 0.5 - Double(old))
        if distance < 1 { return 1.5 * pow(distance, 3) - 2.5 * pow(distance, 2) + 1 }
        return distance < 2
          ? -0.5 * pow(distance, 3) + 2.5 * pow(distance, 2) - 4 * distance + 2 : 0
      }
      let sum = raw.reduce(0, +)
      return raw.map { $0 / sum }
    }
    let columns = (0..<width).map { weights($0, picture.width, width) }
    return (0..<height).flatMap { y -> [Double] in
      let rows = weights(y, picture.height, height)
      return (0..<width).flatMap { x in
        (0..<picture.channels).map { channel in
          var sum = 0.0
          for (row, rowWeight) in rows.enumerated() where rowWeight != 0 {
            for (column, weight) in columns[x].enumerated() where weight != 0 {
              let place = (row * picture.width + column) * picture.channels + channel
              sum += rowWeight * weight * Double(picture.samples[place])
            }
          }
          return min(max(sum, 0), 255)
        }
      }
    }
  }

  @Test func theSameSizeChangesNothing() {
    let source = picture(13, 7) { $0 &* 37 }
    #expect(source.fitted(width: 13, height: 7) == source)
  }

  @Test func cuttingAloneKeepsPixels() {
    let source = picture(5, 2, 1) { $0 }
    #expect(source.fitted(width: 2, height: 2).samples == [1, 2, 6, 7])
  }

  @Test func wholeFactorsAreMeansOfBlocks() {
    // One column is left over; the blocks begin at whole pixels all the same.
    let source = picture(5, 4, 1) { [0, 2, 10, 20, 99][$0 % 5] + $0 / 10 * 100 }
    #expect(source.fitted(width: 2, height: 2).samples == [1, 15, 101, 115])
  }

  @Test(arguments: [(90, 70), (8, 6), (17, 17)], [0, 1, 128, 255])
  func onePlainColourStaysIt(_ size: (Int, Int), _ value: Int) {
    let fitted = picture(size.0, size.1) { _ in value }.fitted(width: 23, height: 16)
    #expect(fitted.samples.allSatisfy { Int($0) == value })
  }

  @Test func overshootIsCutOff() {
    let edge = picture(8, 8, 1) { $0 % 8 < 4 ? 0 : 255 }.fitted(width: 64, height: 64)
    #expect(edge.samples.min() == 0 && edge.samples.max() == 255)
    #expect(edge.samples[..<16].allSatisfy { $0 == 0 })
  }
}
