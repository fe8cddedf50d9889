import ArgumentParser
import Datasets
import Foundation
import Pictures
import Reporting

/// `oboro prepare images`: makes a dataset of a folder of pictures.
struct PrepareImages: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "images",
    abstract: "Make a dataset of a folder of PNG, JPEG, WebP, GIF and BMP pictures.",
    discussion: """
      Folders below the source are looked through as well; the first folder on the way to a picture is its class. \
      Pictures are turned as EXIF says, scaled and cut with --size (their middle is kept), and what is transparent is \
      filled. Pictures that cannot be read are left out and listed in unreadable.txt beside the shards.
      """)

  @Option(help: ArgumentHelp("The folder with the pictures.", valueName: "dir"))
  var source: String

  @OptionGroup var options: PrepareOptions

  @Option(
    help: ArgumentHelp(
      "Height and width of the images in pixels, 64 or 64x96; if not given, the pictures must have one size.")
  )
  var size: String?

  @Option(help: "3 for colour, 1 for grey; if not given, grey where all pictures are grey.")
  var channels: Int?

  @Option(
    help: ArgumentHelp(
      "What shows where pictures are transparent: #rrggbb, or a grey of 0 to 255.", valueName: "colour"))
  var background = Background(colour: .white)

  @Option(help: "The dataset's name; the folder's if not given.")
  var name: String?

  @Flag(help: "Stop at the first picture that cannot be read.")
  var strict = false

  func validate() throws {
    _ = try sides
    if let channels, channels != 1 && channels != 3 {
      throw ValidationError("--channels must be 1 or 3, is \(channels)")
    }
  }

  private var sides: ImageSides? {
    get throws { try size.map(ImageSides.init) }
  }

  func run() throws {
    let console = Console()
    let folder = try ImageFolder(source)
    if folder.otherCount > 0 {
      console.print("\(folder.otherCount) other files in \(source) are not pictures by their names")
    }
    try options.write(try look(through: folder, console), skipsUnreadable: !strict)
  }

  private func look(through folder: ImageFolder, _ console: Console) throws -> ImageFolderSource {
    let bar = ProgressBar("look", total: folder.files.count, console: console)
    // With both given, there is nothing to look for.
    defer { if size == nil || channels == nil { bar.finish() } }
    return try ImageFolderSource(
      folder, name: name ?? URL(fileURLWithPath: source).standardizedFileURL.lastPathComponent,
      split: options.split,
      form: ImageFolderSource.Form(
        size: sides.map { ($0.height, $0.width) }, channels: channels, background: background.colour),
      threadCount: options.threads, progress: { bar.update($0) })
  }
}

/// `#ffee00`, or one number for a grey.
struct Background: ExpressibleByArgument {
  let colour: PictureColour

  init(colour: PictureColour) { self.colour = colour }

  init?(argument: String) {
    if let grey = UInt8(argument) {
      colour = PictureColour(red: grey, green: grey, blue: grey)
      return
    }
    let digits = argument.dropFirst()
    guard argument.hasPrefix("#"), digits.count == 6, digits.allSatisfy(\.isHexDigit),
      let number = UInt32(digits, radix: 16)
    else { return nil }
    colour = PictureColour(
      red: UInt8(number >> 16), green: UInt8(number >> 8 & 0xFF), blue: UInt8(number & 0xFF))
  }

  var defaultValueDescription: String { "#ffffff" }
}
