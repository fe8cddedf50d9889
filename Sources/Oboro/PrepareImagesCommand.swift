import ArgumentParser
import Datasets
import Files
import Foundation
import Pictures
import Reporting

/// `oboro prepare images`: makes a dataset from a folder of pictures.
struct PrepareImages: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "images",
    abstract: "Make a dataset of a folder of PNG, JPEG, WebP, TIFF, GIF and BMP pictures.",
    discussion: """
      Folders below the source are looked through as well; the first folder on the way to a picture is its class. \
      Pictures are turned as EXIF says, scaled and cut with --size (their middle is kept), and what is transparent is \
      filled. What cannot be read is left out and listed in unreadable.txt beside the shards.

      Captions are those of metadata.jsonl, whose lines are {"file_name": "a.png", "text": "a cat"}, or have a list of \
      texts, else those of files beside the pictures (a.txt beside a.png), in UTF-8.
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

  @Option(
    help: ArgumentHelp(
      "Where captions come from: metadata, files, lines (files of which each line is a caption), classes (the names of the folders), none, or auto: what there is.",
      valueName: "origin"))
  var captions = FolderCaptions.Origin.auto

  @Option(help: "The dataset's name; the folder's if not given.")
  var name: String?

  @Flag(help: "Stop at the first picture, link or folder that cannot be read.")
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
    let folder = try ImageFolder(sourcePath)
    tell(of: folder, console)
    let captions = try FolderCaptions(of: folder, from: captions)
    if let captions {
      console.print("captions: \(Self.words(captions.origin))")
      if captions.unusedCount > 0 {
        console.print("warning: \(captions.unusedCount) lines of metadata.jsonl name no picture of \(source)")
      }
    }
    let images = try look(through: folder, captions, console)
    try options.write(images, skipsUnreadable: !strict)
    for missing in images.classesWithoutImages {
      console.print(
        "warning: class \(missing.name) (label \(missing.label)) has no images: none of its \(missing.count) pictures can "
          + "be read")
    }
  }

  /// The raw bytes of the argument: Swift replaces invalid UTF-8 in arguments.
  private var sourcePath: RawPath {
    let arguments = (0..<Int(CommandLine.argc)).compactMap { CommandLine.unsafeArgv[$0] }.map { argument in
      Array(UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
    }
    let option = Array("--source=".utf8)
    for argument in arguments where String(decoding: argument, as: UTF8.self).hasSuffix(source) {
      let bytes = argument.starts(with: option) ? Array(argument.dropFirst(option.count)) : argument
      if String(decoding: bytes, as: UTF8.self) == source { return RawPath(bytes: bytes) }
    }
    return RawPath(source)
  }

  private var datasetName: String {
    let name = sourcePath.bytes.split(separator: RawPath.slash).last.map { RawPath.text($0) } ?? ""
    // A folder given by a relative location, or the root.
    return ["", ".", ".."].contains(name)
      ? URL(fileURLWithPath: source).standardizedFileURL.lastPathComponent : name
  }

  private func tell(of folder: ImageFolder, _ console: Console) {
    if folder.otherCount > 0 {
      console.print("not pictures, by their names: \(folder.otherCount) of the files in \(source)")
    }
    for (end, count) in folder.unread.sorted(by: { $0.key < $1.key }) {
      console.print("not read: \(count) of type .\(end); convert to PNG or JPEG")
    }
    for (name, spellings) in folder.equalNames {
      let shown = spellings.map { bytes in
        bytes.map { $0 < 0x80 ? String(Unicode.Scalar($0)) : "\\x" + String($0, radix: 16, uppercase: true) }
          .joined()
      }
      console.print(
        "warning: the folders \(shown.joined(separator: ", ")) are one class: their names are the same text, \(name), in "
          + "different forms of Unicode (NFC, NFD)")
    }
  }

  private static func words(_ origin: FolderCaptions.Origin) -> String {
    switch origin {
    case .metadata: "of metadata.jsonl"
    case .files: "of the .txt files beside the pictures"
    case .lines: "each line of the .txt files beside the pictures"
    case .classes: "the names of the classes"
    case .auto, .none: "none"
    }
  }

  private func look(
    through folder: ImageFolder, _ captions: FolderCaptions?, _ console: Console
  ) throws -> ImageFolderSource {
    let bar = ProgressBar("look", total: folder.files.count, console: console)
    // Scanning is not needed if both are given.
    defer { if size == nil || channels == nil { bar.finish() } }
    return try ImageFolderSource(
      folder, name: name ?? datasetName,
      split: options.split,
      form: ImageFolderSource.Form(
        size: sides.map { ($0.height, $0.width) }, channels: channels, background: background.colour),
      captions: captions, threadCount: options.threads, progress: { bar.update($0) })
  }
}

extension FolderCaptions.Origin: ExpressibleByArgument {}

/// `#ffee00`, or one number for a grey level.
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
