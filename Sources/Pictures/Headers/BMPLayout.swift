/// How a BMP file stores its pixels (Microsoft's BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER,
/// and IBM's OS22XBITMAPHEADER, each after a BITMAPFILEHEADER of 14 bytes).
struct BMPLayout {
  enum Packing: Int {
    case none = 0
    /// Run-length encoded indices of 8 or 4 bits.
    case runs8 = 1
    case runs4 = 2
  }

  let width: Int
  let height: Int
  /// Bits per pixel.
  let bits: Int
  let packing: Packing
  /// Whether the first row is the top one.
  let isTopDown: Bool
  /// Bit masks of red, green, blue and opacity in a pixel of 16 or 32 bits.
  let masks: [UInt32]
  /// The palette's offset, its number of colours, and the bytes per colour: blue, green, red.
  let palette: (place: Int, count: Int, stride: Int)
  let dataStart: Int

  /// - Throws: `PictureHeader.Problem`, `FileError`.
  init(_ file: ByteScanner) throws {
    let headerSize = try file.little(4, at: 14)
    let isCore = headerSize == 12
    guard isCore || (16...124).contains(headerSize) else {
      throw PictureHeader.Problem.malformed("is no BMP picture: its header has \(headerSize) bytes")
    }
    /// A header field; 0 if the header is too short to contain it.
    func field(_ count: Int, _ place: Int) throws -> Int {
      place + count <= 14 + headerSize ? try file.little(count, at: place) : 0
    }
    width = try file.little(isCore ? 2 : 4, at: 18)
    let storedHeight = try file.little(isCore ? 2 : 4, at: isCore ? 20 : 22)
    isTopDown = !isCore && storedHeight >= 1 << 31
    height = isTopDown ? (1 << 32) - storedHeight : storedHeight
    bits = try file.little(2, at: isCore ? 24 : 28)
    let compression = isCore ? 0 : try field(4, 30)
    let isIBM = headerSize == 64 || headerSize < 40
    let (bitFields, bitFieldsWithOpacity) = (3, 6)
    let hasMasks = !isIBM && (compression == bitFields || compression == bitFieldsWithOpacity)
    guard let packing = hasMasks ? Packing.none : Packing(rawValue: compression) else {
      let names = isIBM ? [3: "Huffman's code", 4: "runs of 24 bits"] : [4: "JPEG", 5: "PNG"]
      throw PictureHeader.Problem.malformed(
        "is a BMP picture packed by \(names[compression] ?? "method \(compression)"), which is not read")
    }
    let depths: Set<Int> =
      switch packing {
      case .none: hasMasks ? [16, 32] : [1, 2, 4, 8, 16, 24, 32]
      case .runs8: [8]
      case .runs4: [4]
      }
    guard depths.contains(bits) else {
      throw PictureHeader.Problem.malformed("is no BMP picture that is known: \(bits) bits a pixel")
    }
    self.packing = packing
    // The masks follow a short header, and are part of a longer one.
    let maskCount = !hasMasks ? 0 : headerSize >= 56 || compression == bitFieldsWithOpacity ? 4 : 3
    if hasMasks {
      masks =
        try (0..<maskCount).map { UInt32(try file.little(4, at: 54 + 4 * $0)) } + (maskCount == 3 ? [0] : [])
    } else {
      masks = bits == 16 ? [0x7C00, 0x3E0, 0x1F, 0] : [0xFF_0000, 0xFF00, 0xFF, 0]
    }
    let place = 14 + headerSize + (headerSize == 40 ? 4 * maskCount : 0)
    let used = isCore ? 0 : try field(4, 46)
    let count = bits > 8 ? 0 : used == 0 ? 1 << bits : min(used, 1 << bits)
    dataStart = try file.little(4, at: 10)
    let stride = isCore ? 3 : 4
    // Some files have fewer colours than stated, directly followed by the pixels.
    palette = (place, dataStart > place ? min(count, (dataStart - place) / stride) : count, stride)
  }

  /// Bytes per row, padded to a multiple of four.
  var rowSize: Int { (width * bits + 31) / 32 * 4 }
}

extension PictureHeader {
  static func bmp(_ file: ByteScanner) throws -> PictureHeader {
    let layout = try BMPLayout(file)
    let isGrey =
      layout.bits <= 8
      ? try file.isGrey(
        palette: layout.palette.place, count: layout.palette.count, stride: layout.palette.stride)
      : false
    return PictureHeader(.bmp, layout.width, layout.height, isGrey: isGrey)
  }
}
