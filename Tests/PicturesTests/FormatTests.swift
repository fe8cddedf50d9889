import CGD
import Files
import Foundation
import Pictures
import Testing

@Suite final class FormatTests {
  private let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private func picture(_ width: Int, _ height: Int, _ channels: Int, _ sample: (Int) -> Int) -> Picture {
    Picture(
      width: width, height: height, channels: channels,
      samples: (0..<width * height * channels).map { UInt8(truncatingIfNeeded: sample($0)) })
  }

  @Test(arguments: [1, 3])
  func pngKeepsEverySampleAndRepeatsItsBytes(_ channels: Int) throws {
    let original = picture(37, 21, channels) { $0 &* 7919 >> 3 }
    try original.writePNG(to: path)
    let bytes = try WholeFile.read(path)
    #expect(try ImageFile(path).decode(channels: channels) == original)
    #expect(bytes.prefix(8) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
    try original.writePNG(to: path)
    #expect(try WholeFile.read(path) == bytes)
  }

  @Test func aGreyPictureOfThreeChannelsKeepsThem() throws {
    let original = picture(4, 4, 3) { $0 / 3 * 5 }
    try original.writePNG(to: path)
    #expect(try ImageFile(path).decode() == original)
  }

  @Test func whatCannotBeWrittenIsNamed() {
    let original = picture(2, 2, 1) { $0 }
    let missing = path + "/nowhere/a.png"
    #expect(throws: FileError("write", missing, code: ENOENT)) { try original.writePNG(to: missing) }
  }

  @Test func greyAnimationsAreExact() throws {
    let frames = (0..<3).map { frame in picture(20, 13, 1) { $0 &* (frame + 3) } }
    try PictureAnimation(frames, delay: 7, lastDelay: 300).writeGIF(to: path)
    let gif = try #require(GIF(try WholeFile.read(path)))
    #expect((gif.width, gif.height, gif.loops) == (20, 13, 0))
    #expect(gif.frames.map(\.delay) == [7, 7, 300])
    #expect(try gif.frames.map { try decode($0.file, channels: 1) } == frames)
  }

  @Test func colouredAnimationsAreExactUpTo256Colours() throws {
    let frames = (0..<2).map { frame in picture(16, 16, 3) { $0 / 3 &* [1, 3, 7][$0 % 3] &+ frame } }
    try PictureAnimation(frames).writeGIF(to: path)
    let gif = try #require(GIF(try WholeFile.read(path)))
    #expect(gif.frames.map(\.delay) == [5, 200])
    #expect(try gif.frames.map { try decode($0.file, channels: 3) } == frames)
  }

  @Test func manyColoursAreQuantizedWell() throws {
    // A smooth picture of some 30,000 colours.
    let frame = picture(220, 220, 3) { index in
      let (x, y) = (index / 3 % 220, index / 3 / 220)
      return [x * 255 / 220, y * 255 / 220, (x + y) * 127 / 220][index % 3]
    }
    try PictureAnimation([frame]).writeGIF(to: path)
    let gif = try #require(GIF(try WholeFile.read(path)))
    let read = try decode(try #require(gif.frames.first).file, channels: 3)
    let squares = zip(frame.samples, read.samples).map { pow(Double($0) - Double($1), 2) }
    let decibels = 10 * log10(255 * 255 / (squares.reduce(0, +) / Double(squares.count)))
    #expect(decibels > 33)
  }

  @Test func theSameAnimationGivesTheSameBytes() throws {
    let frames = (0..<2).map { frame in picture(40, 40, 3) { $0 &* $0 &* (frame + 7) >> 4 } }
    try PictureAnimation(frames).writeGIF(to: path)
    let bytes = try WholeFile.read(path)
    try PictureAnimation(frames).writeGIF(to: path)
    #expect(try WholeFile.read(path) == bytes)
  }

  /// What libgd, which reads first frames only, sees in a GIF file of one frame.
  private func decode(_ file: [UInt8], channels: Int) throws -> Picture {
    var file = file
    let image = try #require(gdImageCreateFromGifPtr(Int32(file.count), &file))
    defer { gdImageDestroy(image) }
    var samples = [UInt8]()
    for y in 0..<image.pointee.sy {
      for x in 0..<image.pointee.sx {
        let colour = gdImageGetTrueColorPixel(image, x, y)
        samples += [16, 8, 0].suffix(channels).map { UInt8(truncatingIfNeeded: colour >> $0) }
      }
    }
    return Picture(
      width: Int(image.pointee.sx), height: Int(image.pointee.sy), channels: channels, samples: samples)
  }
}
