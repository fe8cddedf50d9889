/// What a sample of a PNG picture stands for, by its number in the header (section 11.2.1).
enum PNGColour: Int {
  case grey = 0
  case colour = 2
  case palette = 3
  case greyAndOpacity = 4
  case colourAndOpacity = 6

  /// - Throws: `PictureHeader.Problem`, for a header that ends early or has what the specification does not.
  init(_ file: ByteScanner) throws {
    let (depth, kind) = (try file.byte(24), try file.byte(25))
    let (compression, filter, interlacing) = (try file.byte(26), try file.byte(27), try file.byte(28))
    guard let colour = Self(rawValue: kind), colour.depths.contains(depth), compression == 0, filter == 0,
      interlacing < 2
    else {
      throw PictureHeader.Problem.malformed(
        "is no PNG picture that is known: bit depth \(depth), colour type \(kind), methods \(compression), \(filter), "
          + "\(interlacing)")
    }
    self = colour
  }

  private var depths: Set<Int> {
    switch self {
    case .grey: [1, 2, 4, 8, 16]
    case .palette: [1, 2, 4, 8]
    case .colour, .greyAndOpacity, .colourAndOpacity: [8, 16]
    }
  }

  /// Whether the file can hold nothing but greys, a palette aside.
  var isGrey: Bool { self == .grey || self == .greyAndOpacity }

  /// Whether a chunk tRNS may have so many bytes: a level for each of the first colours of a palette, or one
  /// transparent colour of samples of two bytes.
  func allowsTransparency(of count: Int, paletteSize: Int) -> Bool {
    switch self {
    case .grey: count == 2
    case .colour: count == 6
    case .palette: count > 0 && count <= paletteSize
    case .greyAndOpacity, .colourAndOpacity: false
    }
  }
}
