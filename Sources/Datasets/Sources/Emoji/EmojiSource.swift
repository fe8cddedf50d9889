import Files
import Foundation
import Pictures

/// The colour pictures of a font's emoji, with their names as captions and their groups as classes.
public struct EmojiSource: ConcurrentSampleSource {
  /// Installed by Debian's packages fonts-noto-color-emoji and unicode-data.
  public static let usualFont = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
  public static let usualList = "/usr/share/unicode/emoji/emoji-test.txt"

  public let name = "emoji"
  public let split: String
  public let classNames: [String]
  /// Emoji of the list that the font has no picture for.
  public let missing: [String]

  private let size: Int
  private let background: PictureColour
  private let font: String
  private let emoji: [(emoji: Emoji, picture: [UInt8])]

  /// - Parameters:
  ///   - font: a font with colour bitmaps.
  ///   - list: Unicode's `emoji-test.txt`.
  ///   - split: test selects the held-out combinations (`Emoji.isHeldOut`).
  ///   - size: height and width of the images.
  ///   - count: how many emoji to take, spread evenly over the list; nil takes all.
  /// - Throws: `DatasetError` for files that are missing, damaged or of another kind, and if there are fewer emoji.
  public init(
    font: String, list: String, split: Split, size: Int, count: Int? = nil, background: PictureColour
  ) throws {
    precondition(size > 0 && count ?? 1 > 0, "\(count ?? 1) images of \(size) pixels")
    func read(_ path: String, _ package: String) throws -> [UInt8] {
      guard FileManager.default.fileExists(atPath: path) else {
        throw DatasetError.badData(path, "is missing: on Debian, apt-get install \(package)")
      }
      return try DatasetError.mapping { try WholeFile.read(path) }
    }
    let bitmaps = try EmojiFont(read(font, "fonts-noto-color-emoji"), path: font)
    let known = try EmojiList(String(decoding: read(list, "unicode-data"), as: UTF8.self), path: list)
    var emoji: [(emoji: Emoji, picture: [UInt8])] = []
    var missing: [String] = []
    for entry in known.emoji where entry.isHeldOut == (split == .test) {
      if let picture = bitmaps.picture(of: entry.characters) {
        emoji.append((entry, Array(picture)))
      } else {
        missing.append(entry.name)
      }
    }
    guard !emoji.isEmpty else { throw DatasetError.badData(font, "has a picture of no emoji of \(list)") }
    if let count {
      guard count <= emoji.count else {
        throw DatasetError.badData(font, "has \(emoji.count) emoji of \(list) and this split, not \(count)")
      }
      emoji = (0..<count).map { [emoji] in emoji[$0 * emoji.count / count] }
    }
    self.split = split.rawValue
    self.size = size
    self.background = background
    self.font = font
    self.emoji = emoji
    self.missing = missing
    classNames = known.groups
  }

  public var count: Int { emoji.count }
  public var fields: [Field] { [.images(height: size, width: size, channels: 3), .labels, .captions()] }

  public func read(_ index: Int, into sample: SampleSlot) throws {
    let (emoji, bytes) = emoji[index]
    do {
      let picture = try ImageFile(bytes, path: "\(font), \(emoji.name)")
        .decode(channels: 3, over: background).squared(background)
      sample.bytes(0).copyBytes(from: picture.fitted(width: size, height: size).samples)
      sample.bytes(1).storeBytes(of: Int32(emoji.group), as: Int32.self)
      sample.set([emoji.name], field: 2)
    } catch let error as PictureError {
      throw DatasetError.badData(error.path, error.reason)
    }
  }
}

extension Picture {
  /// A colour picture centred in the smallest square that contains it.
  fileprivate func squared(_ colour: PictureColour) -> Picture {
    let side = max(width, height)
    let (left, top) = ((side - width) / 2, (side - height) / 2)
    var result: [UInt8] = []
    result.reserveCapacity(3 * side * side)
    for y in 0..<side {
      for x in 0..<side {
        guard (top..<top + height).contains(y), (left..<left + width).contains(x) else {
          result += [colour.red, colour.green, colour.blue]
          continue
        }
        let place = 3 * ((y - top) * width + x - left)
        result += samples[place..<place + 3]
      }
    }
    return Picture(width: side, height: side, channels: 3, samples: result)
  }
}
