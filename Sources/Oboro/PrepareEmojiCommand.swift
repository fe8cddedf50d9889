import ArgumentParser
import Datasets
import Pictures
import Reporting

/// `oboro prepare emoji`: makes a dataset from a font's colour glyphs and their names.
struct PrepareEmoji: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "emoji",
    abstract: "Make a dataset of emoji with their names as captions.",
    discussion: """
      The pictures are those of Debian's package fonts-noto-color-emoji, the names those of its package unicode-data: \
      some 3,600. --split train leaves out, of each profession and of each hair, people of one skin tone; --split test \
      has those alone: what a model draws of them shows whether it puts together what it knows.

      oboro prepare emoji --output data/emoji --size 32
      oboro prepare emoji --output data/emoji-held-out --size 32 --split test
      """)

  @Option(
    help: ArgumentHelp(
      "A font with coloured bitmaps. (default: \(EmojiSource.usualFont))", valueName: "file"))
  var source: String?

  @Option(
    help: ArgumentHelp("Unicode's list. (default: \(EmojiSource.usualList))", valueName: "file"))
  var list: String?

  @OptionGroup var options: PrepareOptions

  @Option(help: "Height and width of the images in pixels, 32 to 128.")
  var size = 64

  @Option(
    help: ArgumentHelp(
      "How many emoji to take, spread over the list, such as a few to train an adapter with; all if not given."
    ))
  var count: Int?

  @Option(
    help: ArgumentHelp("What shows where pictures are transparent: #rrggbb, or a grey.", valueName: "colour"))
  var background = Background(colour: .white)

  func validate() throws {
    guard (32...128).contains(size) else { throw ValidationError("--size must be 32 to 128, is \(size)") }
    if let count, count < 1 { throw ValidationError("--count must be at least 1, is \(count)") }
  }

  func run() throws {
    let emoji = try EmojiSource(
      font: source ?? EmojiSource.usualFont, list: list ?? EmojiSource.usualList, split: options.split,
      size: size, count: count, background: background.colour)
    if !emoji.missing.isEmpty {
      let names = emoji.missing.prefix(3).joined(separator: ", ")
      Console().print(
        "\(emoji.missing.count) emoji of the list have no picture in the font and are left out: \(names)"
          + (emoji.missing.count > 3 ? ", ..." : ""))
    }
    try options.write(emoji)
  }
}
