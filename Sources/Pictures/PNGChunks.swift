import CZlib

/// The chunks of a PNG file that its pixels follow from (PNG specification, ISO 15948, sections 5 and 11).
///
/// libpng prints warnings of its own on standard error, past libgd's messages: of chunks that do not matter, such as
/// colour profiles with slight mistakes, and of damage that it can pass over. So those chunks are left out here, and
/// damage to the others is an error.
enum PNGChunks {
  private static let signatureSize = 8
  /// The length before a chunk's content, the name, and the checksum behind it.
  private static let (lengthSize, nameSize, checksumSize) = (4, 4, 4)

  /// libpng's own limit, in pixels.
  private static let sideLimit = 1_000_000

  /// The file with no other chunks.
  ///
  /// - Parameter bytes: a file whose header has been read.
  /// - Throws: `PictureHeader.Problem.malformed` if one of these chunks is damaged, or missing at the end.
  static func essential(of bytes: [UInt8]) throws -> [UInt8] {
    let file = ByteScanner(bytes)
    let colour = try PNGColour(file)
    guard try max(file.big(4, at: 16), file.big(4, at: 20)) <= sideLimit else {
      throw PictureHeader.Problem.malformed("has a side of more than \(sideLimit) pixels")
    }
    var kept = Array(bytes.prefix(signatureSize))
    var names: Set<String> = []
    var paletteSize = 0
    var place = signatureSize
    while !names.contains("IEND") {
      let start = place + lengthSize
      guard let length = try? file.big(lengthSize, at: place), start + nameSize <= bytes.count else {
        throw PictureHeader.Problem.malformed("ends before its last chunk")
      }
      let name = String(decoding: bytes[start..<start + nameSize], as: UTF8.self)
      let end = start + nameSize + length
      guard end + checksumSize <= bytes.count else {
        throw PictureHeader.Problem.malformed("ends inside the chunk at byte \(place)")
      }
      let content = start + nameSize..<end
      // What pixels cannot do without has a name that begins with a capital letter.
      let isEssential = bytes[start] & 0x20 == 0 || name == "tRNS"
      // Of a picture without a palette, PLTE only suggests one.
      if isEssential && !(name == "PLTE" && colour != .palette) {
        guard try file.big(checksumSize, at: end) == checksum(bytes[start..<end]) else {
          throw PictureHeader.Problem.malformed("has a damaged chunk at byte \(place)")
        }
        if name == "tRNS" {
          guard names.isDisjoint(with: ["tRNS", "IDAT"]),
            colour.allowsTransparency(of: content.count, paletteSize: paletteSize)
          else {
            throw PictureHeader.Problem.malformed("has a misplaced or misshapen chunk tRNS at byte \(place)")
          }
        }
        guard name != "IEND" || content.isEmpty else {
          throw PictureHeader.Problem.malformed("has content in its last chunk, at byte \(place)")
        }
        if name == "PLTE" { paletteSize = content.count / 3 }
        names.insert(name)
        kept += bytes[place..<end + checksumSize]
      }
      place = end + checksumSize
    }
    return kept
  }

  private static func checksum(_ bytes: ArraySlice<UInt8>) -> Int {
    Int(bytes.withUnsafeBufferPointer { crc32_z(0, $0.baseAddress, $0.count) })
  }
}
