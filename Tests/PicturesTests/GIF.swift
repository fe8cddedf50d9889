/// Takes a GIF file apart (GIF89a specification, sections 15 to 27), to check what was written frame by frame.
struct GIF {
  struct Frame {
    /// Hundredths of a second.
    var delay: Int
    /// A GIF file of this frame alone.
    var file: [UInt8]
  }

  var width = 0
  var height = 0
  /// 0: endless. nil: not said, so once.
  var loops: Int?
  var frames: [Frame] = []

  /// nil when the bytes are no whole GIF file.
  init?(_ bytes: [UInt8]) {
    guard bytes.starts(with: Array("GIF89a".utf8)), bytes.count > 13 else { return nil }
    func word(_ at: Int) -> Int { at + 1 < bytes.count ? Int(bytes[at]) | Int(bytes[at + 1]) << 8 : 0 }
    /// The place behind a chain of sub-blocks that begins at `at`.
    func end(ofBlocks at: Int) -> Int? {
      var at = at
      while at < bytes.count, bytes[at] != 0 { at += Int(bytes[at]) + 1 }
      return at < bytes.count ? at + 1 : nil
    }
    func tableSize(_ flags: UInt8) -> Int { flags & 0x80 == 0 ? 0 : 3 << (Int(flags & 7) + 1) }

    width = word(6)
    height = word(8)
    var at = 13 + tableSize(bytes[10])
    let header = bytes.prefix(at)
    var delay = 0
    while at < bytes.count {
      let start = at
      switch bytes[at] {
      case 0x3B: return
      case 0x21:
        guard at + 2 < bytes.count, let next = end(ofBlocks: at + 2) else { return nil }
        if bytes[at + 1] == 0xF9 { delay = word(at + 4) }
        if bytes[at + 1] == 0xFF { loops = word(at + 16) }
        at = next
      case 0x2C:
        guard at + 9 < bytes.count, let next = end(ofBlocks: at + 10 + tableSize(bytes[at + 9]) + 1) else {
          return nil
        }
        at = next
        frames.append(Frame(delay: delay, file: Array(header + bytes[start..<next] + [0x3B])))
      default: return nil
      }
    }
    return nil
  }
}
