import CGD
import Files
import Foundation
import Pictures
import TestSupport
import Testing

@Suite struct ImageFileTests {
  private let folder: TemporaryDirectory
  private var path: String { "\(folder.path)/picture" }

  init() throws { folder = try TemporaryDirectory() }

  private func file(_ bytes: [UInt8]) throws -> ImageFile {
    try write(bytes, to: path)
    return try ImageFile(path)
  }

  /// Expects that the bytes are refused, by the header or by the decoder, with a reason that has `problem`.
  private func expectRefused(
    _ bytes: [UInt8], _ problem: String, location: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: PictureError.self, sourceLocation: location) { try file(bytes).decode() }
    #expect(error?.path == path, sourceLocation: location)
    #expect(error?.reason.contains(problem) == true, "\(error as Any)", sourceLocation: location)
  }

  @Test(arguments: Encoding.allCases)
  func everyFormatIsReadWhateverItsName(encoding: Encoding) throws {
    let original = smooth(37, 21)
    let file = try file(encoding.encode(original))
    #expect(file.header.format.rawValue.lowercased() == encoding.rawValue)
    #expect((file.header.width, file.header.height) == (37, 21))
    #expect(try ImageFile.header(of: path) == file.header)
    #expect(!file.header.isGrey)
    let decoded = try file.decode()
    #expect(largestDifference(decoded, original) <= (encoding.isExact ? 0 : 24))
    let lost = zip(decoded.samples, original.samples).map { pow(Double($0) - Double($1), 2) }.reduce(0, +)
    #expect(lost / Double(original.samples.count) < 10)
  }

  @Test func greyIsSeenInKindAndPalette() throws {
    let grey = picture(9, 5, 1) { $0 * 5 }
    try grey.writePNG(to: path)
    #expect(try ImageFile(path).header.isGrey)
    #expect(try ImageFile(path).decode(channels: 1) == grey)
    #expect(try ImageFile(path).decode(channels: 3).samples == grey.samples.flatMap { [$0, $0, $0] })
    #expect(try file(Encoding.gif.encode(grey)).header.isGrey)
    #expect(try !file(Encoding.png.encode(grey)).header.isGrey)
  }

  /// ITU-R BT.601.
  @Test func greyOfColoursIsTheirLuma() throws {
    let colours = picture(4, 1) { [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30][$0] }
    let expected: [UInt8] = [76, 150, 29, 18]
    #expect(try file(Encoding.png.encode(colours)).decode(channels: 1).samples == expected)
  }

  @Test(arguments: [
    (PictureColour.white, [255, 255, 255]), (PictureColour(red: 0, green: 100, blue: 200), [0, 100, 200]),
  ])
  func transparencyShowsTheBackground(background: PictureColour, colour: [Double]) throws {
    let image = try #require(gdImageCreateTrueColor(128, 1))
    defer { gdImageDestroy(image) }
    gdImageSaveAlpha(image, 1)
    for transparency in 0..<128 {
      image.pointee.tpixels[0]?[transparency] = Int32(transparency << 24 | 0xC8_50_14)
    }
    let picture = try file(Encoding.png.encode(image)).decode(over: background)
    for transparency in 0..<128 {
      for (channel, front) in [200.0, 80, 20].enumerated() {
        let part = Double(transparency) / 127
        let expected = front * (1 - part) + colour[channel] * part
        // libgd's 7 bits of transparency become PNG's 8 of opacity.
        #expect(abs(Double(picture.samples[transparency * 3 + channel]) - expected) <= 1)
      }
    }
    #expect(Array(picture.samples.prefix(3)) == [200, 80, 20])
    #expect(picture.samples.suffix(3).map(Double.init) == colour)
  }

  @Test func aTransparentColourOfAPaletteShowsTheBackground() throws {
    for encoding in [Encoding.gif, .png] {
      let picture = try file(withTransparentColour(encoding)).decode(
        over: PictureColour(red: 50, green: 60, blue: 70))
      #expect(picture.samples == [9, 8, 7, 50, 60, 70])
    }
  }

  /// libpng itself would only warn, and show the colour.
  @Test func aDamagedTransparencyIsRefused() throws {
    var bytes = try withTransparentColour(.png)
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: "tRNS".utf8) })
    bytes[place + 4] ^= 1
    expectRefused(bytes, "is a damaged or unusual PNG picture: tRNS")
  }

  @Test func headersThatPNGDoesNotHaveAreRefused() throws {
    let original = try Encoding.png.encode(smooth(9, 5))
    for (place, value) in [(24, 7), (25, 1), (26, 1), (27, 1), (28, 2)] {
      var bytes = original
      bytes[place] = UInt8(value)
      expectRefused(bytes, "is a damaged or unusual PNG picture: IHDR")
    }
  }

  /// Chunks that do not concern the pixels, with whatever mistakes; and what comes behind the last one.
  @Test func whatDoesNotConcernThePixelsIsPassedOver() throws {
    let original = try Encoding.png.encode(smooth(9, 5))
    let profile: [UInt8] = [0, 0, 0, 3] + Array("iCCP".utf8) + [1, 2, 3] + [0, 0, 0, 0]
    let bytes = Array(original[..<33]) + profile + original[33...] + [1, 2, 3]
    #expect(try file(bytes).decode() == smooth(9, 5))
  }

  /// EXIF 2.3, tag 0x0112: where the stored picture's first row and first column are to be shown.
  @Test(arguments: 1...8, [true, false])
  func picturesAreTurnedAsEXIFSays(orientation: Int, isLittle: Bool) throws {
    // 8 x 16 blocks, so that JPEG keeps the corners apart.
    let stored = picture(32, 16) { index in
      let (x, y) = (index / 3 % 32, index / 3 / 32)
      return (x < 16 ? 0 : 120) + (y < 8 ? 0 : 60)
    }
    let jpeg = try Encoding.jpeg.encode(stored)
    let word = { (value: UInt8, count: Int) -> [UInt8] in
      let zeros = [UInt8](repeating: 0, count: count - 1)
      return isLittle ? [value] + zeros : zeros + [value]
    }
    var exif = Array("Exif\0\0".utf8) + Array((isLittle ? "II" : "MM").utf8) + word(42, 2) + word(8, 4)
    exif += word(1, 2) + (isLittle ? [0x12, 0x01] : [0x01, 0x12]) + word(3, 2) + word(1, 4)
    exif += word(UInt8(orientation), 2) + [0, 0] + word(0, 4)
    let segment: [UInt8] = [0xFF, 0xE1, 0, UInt8(exif.count + 2)] + exif
    let shown = try file(Array(jpeg[..<2]) + segment + Array(jpeg[2...])).decode(channels: 1)
    #expect((shown.width, shown.height) == (orientation > 4 ? (16, 32) : (32, 16)))
    // Corners, from the top left by rows: of the stored picture 0, 120, 60, 180.
    let expected = [
      [0, 120, 60, 180], [120, 0, 180, 60], [180, 60, 120, 0], [60, 180, 0, 120],
      [0, 60, 120, 180], [60, 0, 180, 120], [180, 120, 60, 0], [120, 180, 0, 60],
    ][orientation - 1]
    let (right, bottom) = (shown.width - 1, (shown.height - 1) * shown.width)
    for (place, value) in zip([0, right, bottom, bottom + right], expected) {
      #expect(abs(Int(shown.samples[place]) - value) < 12)
    }
  }

  @Test(arguments: Encoding.allCases)
  func whatIsCutOffIsRefused(encoding: Encoding) throws {
    let bytes = try encoding.encode(smooth(60, 40))
    for part in 1..<10 {
      try write(Array(bytes.prefix(bytes.count * part / 10)), to: path)
      #expect(throws: PictureError.self, "\(part) tenths") { try ImageFile(path).decode() }
    }
    expectRefused([], "is empty")
    expectRefused(Array(bytes.prefix(13)), "ends inside its header")
  }

  @Test func otherFilesAreRefused() throws {
    expectRefused(Array("<html>".utf8), "is no picture of a known format (PNG, JPEG, WebP, GIF, BMP, TIFF)")
    expectRefused(
      Array("RIFF....WEBPVP8X\u{A}\0\0\0\u{2}\0\0\0\0\0\0\0\0\0".utf8),
      "its animation is damaged or ends early")
    // What cameras and browsers write, by name.
    for (start, name) in [
      ("\0\0\0\u{18}ftypheic\0\0\0\0", "HEIC"), ("\0\0\0\u{1C}ftypavif\0\0\0\0", "AVIF"),
      ("8BPS\0\u{1}", "Photoshop"),
    ] {
      expectRefused(Array(start.utf8), "is a \(name) picture, which is not read: convert it to PNG or JPEG")
    }
    #expect(throws: FileError.self) { try ImageFile("\(folder.path)/none") }
  }

  /// No memory may be taken for what a header claims. The limit on it is checked in a process of its own.
  @Test(arguments: Encoding.allCases)
  func sizesThatNobodyMeansAreRefused(encoding: Encoding) throws {
    var bytes = try encoding.encode(smooth(60, 40))
    let frame = bytes.indices.dropLast().first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 } ?? 0
    // Behind GIF's table of colours comes the picture.
    let gif = 13 + 3 * (2 << Int(bytes[10] & 7))
    let (place, claim): (Int, [UInt8]) =
      switch encoding {
      case .png: (16, [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF])
      case .jpeg: (frame + 5, [0xFF, 0xDC, 0xFF, 0xDC])
      case .webp: (26, [0xFF, 0x3F, 0xFF, 0x3F])
      case .gif: (gif + 5, [0xFF, 0xFF, 0xFF, 0xFF])
      case .bmp: (18, [0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F])
      }
    bytes.replaceSubrange(place..<place + claim.count, with: claim)
    expectRefused(bytes, "more than the 67108864 that are read")
  }

  /// A size that a header claims may be as large as any that is read, so memory for that is not too much.
  @Test func damagedFilesAreReadOrRefused() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
      recordingErrors {
        let folder = try TemporaryDirectory()
        let path = "\(folder.path)/picture"
        for original in try Encoding.allCases.map({ try $0.encode(smooth(60, 40)) }) + [
          withTransparentColour(.png)
        ] {
          try DamagedCopies(of: original, header: 64).read(refused: 330) { error in
            (error as? PictureError).map { $0.path == path && $0.reason.count < 400 } ?? false
          } _: { bytes in
            try write(bytes, to: path)
            let file = try ImageFile(path)
            let picture = try file.decode()
            guard (picture.width, picture.height) == (file.header.width, file.header.height) else {
              throw DamagedCopies.Failure(description: "\(picture.width) x \(picture.height)")
            }
          }
        }
      }
    }
    // Decoders say nothing past our errors.
    let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(!said.contains("png") && !said.contains("gd-"), "\(said)")
  }
}
