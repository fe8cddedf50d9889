import CPictureCodecs
import Foundation

/// The unique owner of decoded pixels, in the layout used by their file.
struct Raster: ~Copyable {
  /// The meaning of a pixel's samples. Opacity is 0 for transparent, 255 for opaque.
  enum Layout {
    case grey
    case greyOpacity
    case rgb
    case rgba
    /// Colours are premultiplied by the opacity.
    case rgbaMultiplied
    /// Cyan, magenta, yellow and black, with 255 meaning no ink: the convention that all programs follow in CMYK JPEG
    /// files.
    case invertedInks

    var components: Int {
      switch self {
      case .grey: 1
      case .greyOpacity: 2
      case .rgb: 3
      case .rgba, .rgbaMultiplied, .invertedInks: 4
      }
    }
  }

  let width: Int
  let height: Int
  let layout: Layout
  /// [height, width, components], top row first.
  let samples: UnsafeMutableBufferPointer<UInt8>
  var components: Int { layout.components }

  /// - Throws: `PictureHeader.Problem` if there is not enough memory.
  init(width: Int, height: Int, layout: Layout) throws {
    let count = width * height * layout.components
    guard let memory = calloc(count, 1) else {
      throw PictureHeader.Problem.malformed("no memory for \(height) x \(width) pixels")
    }
    self.width = width
    self.height = height
    self.layout = layout
    samples = UnsafeMutableBufferPointer(
      start: memory.bindMemory(to: UInt8.self, capacity: count), count: count)
  }

  /// Takes ownership of a decoder's output.
  ///
  /// - Parameter four: the layout to assume for four components.
  /// - Throws: `PictureHeader.Problem` with the decoder's message if there is no output.
  init(_ pixels: oboro_pixels, four: Layout) throws {
    guard let memory = pixels.samples else {
      let text = withUnsafeBytes(of: pixels.message) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw PictureHeader.Problem.malformed(text.isEmpty ? "its decoder does not say why" : text)
    }
    width = Int(pixels.width)
    height = Int(pixels.height)
    layout = [.grey, .greyOpacity, .rgb, four][Int(pixels.components) - 1]
    samples = UnsafeMutableBufferPointer(
      start: memory, count: width * height * Int(pixels.components))
  }

  deinit { free(samples.baseAddress) }

  /// Composites the pixels over `background`, in 1 or 3 channels.
  func flattened(channels: Int, over background: PictureColour) -> Picture {
    let behind = [background.red, background.green, background.blue].map(Int.init)
    let samples = samples
    switch layout {
    case .grey:
      return picture(channels) { pixel in
        let grey = Int(samples[pixel])
        return (grey, grey, grey)
      }
    case .greyOpacity:
      return picture(channels) { pixel in
        let (grey, opacity) = (Int(samples[2 * pixel]), Int(samples[2 * pixel + 1]))
        return (
          Self.mix(grey, behind[0], opacity), Self.mix(grey, behind[1], opacity),
          Self.mix(grey, behind[2], opacity)
        )
      }
    case .rgb:
      return picture(channels) { pixel in
        (Int(samples[3 * pixel]), Int(samples[3 * pixel + 1]), Int(samples[3 * pixel + 2]))
      }
    case .rgba:
      return picture(channels) { pixel in
        let (place, opacity) = (4 * pixel, Int(samples[4 * pixel + 3]))
        return (
          Self.mix(Int(samples[place]), behind[0], opacity),
          Self.mix(Int(samples[place + 1]), behind[1], opacity),
          Self.mix(Int(samples[place + 2]), behind[2], opacity)
        )
      }
    case .rgbaMultiplied:
      return picture(channels) { pixel in
        let (place, opacity) = (4 * pixel, Int(samples[4 * pixel + 3]))
        return (
          min(Int(samples[place]) + Self.mix(0, behind[0], opacity), 255),
          min(Int(samples[place + 1]) + Self.mix(0, behind[1], opacity), 255),
          min(Int(samples[place + 2]) + Self.mix(0, behind[2], opacity), 255)
        )
      }
    case .invertedInks:
      return picture(channels) { pixel in
        let (place, black) = (4 * pixel, Int(samples[4 * pixel + 3]))
        return (
          black - Self.part(255 - Int(samples[place]), black),
          black - Self.part(255 - Int(samples[place + 1]), black),
          black - Self.part(255 - Int(samples[place + 2]), black)
        )
      }
    }
  }

  /// A picture with the colours returned by `colour`.
  @inline(__always)
  private func picture(_ channels: Int, _ colour: (_ pixel: Int) -> (red: Int, green: Int, blue: Int))
    -> Picture
  {
    let pixels = width * height
    let samples = [UInt8](unsafeUninitializedCapacity: pixels * channels) { result, filled in
      for pixel in 0..<pixels {
        let (red, green, blue) = colour(pixel)
        if channels == 3 {
          result[3 * pixel] = UInt8(truncatingIfNeeded: red)
          result[3 * pixel + 1] = UInt8(truncatingIfNeeded: green)
          result[3 * pixel + 2] = UInt8(truncatingIfNeeded: blue)
        } else {
          // 0.299, 0.587 and 0.114 in units of 1/65536, which sum to 1, so that greys keep their value.
          result[pixel] = UInt8(truncatingIfNeeded: (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16)
        }
      }
      filled = pixels * channels
    }
    return Picture(width: width, height: height, channels: channels, samples: samples)
  }

  /// a b / 255, rounded.
  private static func part(_ a: Int, _ b: Int) -> Int { (a * b + 127) / 255 }

  /// A sample of the given opacity composited over another one, rounded.
  private static func mix(_ front: Int, _ behind: Int, _ opacity: Int) -> Int {
    (front * opacity + behind * (255 - opacity) + 127) / 255
  }
}
