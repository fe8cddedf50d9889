import CGD
import Files
import Foundation
import Pictures
import TestSupport
import Testing

/// A picture as libgd writes it, in each format that is read.
enum Encoding: String, CaseIterable, Sendable {
  case png, jpeg, webp, gif, bmp

  /// Whether decoding gives the samples back: GIF's palette holds the colours of small pictures.
  var isExact: Bool { self != .jpeg && self != .webp }

  func encode(_ picture: Picture) throws -> [UInt8] {
    if self == .gif { return try encodeWithPalette(picture) }
    let image = try #require(gdImageCreateTrueColor(Int32(picture.width), Int32(picture.height)))
    defer { gdImageDestroy(image) }
    for y in 0..<picture.height {
      for x in 0..<picture.width {
        let pixel = (y * picture.width + x) * picture.channels
        let sample = { (channel: Int) in Int32(picture.samples[pixel + min(channel, picture.channels - 1)]) }
        image.pointee.tpixels[y]?[x] = sample(0) << 16 | sample(1) << 8 | sample(2)
      }
    }
    return try encode(image)
  }

  /// A picture of at most 256 colours, which all have their place in the palette: libgd would choose other ones.
  private func encodeWithPalette(_ picture: Picture) throws -> [UInt8] {
    let image = try #require(gdImageCreate(Int32(picture.width), Int32(picture.height)))
    defer { gdImageDestroy(image) }
    for pixel in 0..<picture.width * picture.height {
      let sample = { (channel: Int) in
        Int32(picture.samples[pixel * picture.channels + min(channel, picture.channels - 1)])
      }
      let colour = gdImageColorResolve(image, sample(0), sample(1), sample(2))
      image.pointee.pixels[pixel / picture.width]?[pixel % picture.width] = UInt8(colour)
    }
    return try encode(image)
  }

  func encode(_ image: gdImagePtr) throws -> [UInt8] {
    var size: Int32 = 0
    let memory: UnsafeMutableRawPointer? =
      switch self {
      case .png: gdImagePngPtr(image, &size)
      case .jpeg: gdImageJpegPtr(image, &size, 100)
      case .webp: gdImageWebpPtrEx(image, &size, 100)
      case .gif: gdImageGifPtr(image, &size)
      case .bmp: gdImageBmpPtr(image, &size, 0)
      }
    let bytes = try #require(memory)
    defer { gdFree(bytes) }
    return Array(UnsafeRawBufferPointer(start: bytes, count: Int(size)))
  }
}

/// A colour, and beside it another one that is transparent.
func withTransparentColour(_ encoding: Encoding) throws -> [UInt8] {
  let image = try #require(gdImageCreate(2, 1))
  defer { gdImageDestroy(image) }
  gdImageColorAllocate(image, 9, 8, 7)
  gdImageColorTransparent(image, gdImageColorAllocate(image, 1, 2, 3))
  image.pointee.pixels[0]?[1] = 1
  return try encoding.encode(image)
}

func picture(_ width: Int, _ height: Int, _ channels: Int = 3, _ sample: (Int) -> Int) -> Picture {
  Picture(
    width: width, height: height, channels: channels,
    samples: (0..<width * height * channels).map { UInt8(truncatingIfNeeded: sample($0)) })
}

/// Colours that change slowly, as JPEG likes them, and few enough for a palette.
func smooth(_ width: Int, _ height: Int) -> Picture {
  picture(width, height) { index in
    let (x, y) = (index / 3 % width, index / 3 / width)
    return [40 + 16 * (x * 10 / width), 60 + 16 * (y * 10 / height), 128][index % 3]
  }
}

func largestDifference(_ a: Picture, _ b: Picture) -> Int {
  zip(a.samples, b.samples).map { abs(Int($0) - Int($1)) }.max() ?? 0
}

func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
