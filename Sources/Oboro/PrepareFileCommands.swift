import ArgumentParser
import Datasets
import Foundation
import Reporting

// `oboro prepare` for datasets in their own file formats.

/// `oboro prepare numpy`
struct PrepareNumPy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "numpy", abstract: "Make a dataset of NumPy's arrays, .npy or .npz.",
    discussion: """
      Images are [N, H, W] or [N, H, W, C], of any number of channels: integers or floating-point numbers. uint8 and \
      uint16 stay what they are and are trained on as [-1, 1]; others become float32 (float16 stays), as they are or \
      with --normalize. Labels are whole numbers, [N], -1 for none.
      """)

  @Option(help: ArgumentHelp("The array of the images, or the archive that holds it.", valueName: "file"))
  var source: String

  @Option(help: ArgumentHelp("The images' name in an archive; images if not given.", valueName: "name"))
  var images: String?

  @Option(
    help: ArgumentHelp(
      "The labels' name in the archive, or the file of their array; labels, if the archive has that, if not given.",
      valueName: "name|file"))
  var labels: String?

  @OptionGroup var array: ArrayOptions
  @OptionGroup var options: PrepareOptions

  func run() throws {
    try options.write(
      source, .numpy, array.arrays(images: images, labels: labels), name: array.name(of: source))
  }
}

/// `oboro prepare hdf5`
struct PrepareHDF5: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hdf5",
    abstract: "Make a dataset of arrays in an HDF5 file, netCDF-4 and MATLAB's v7.3 among them.",
    discussion: """
      Images are [N, H, W] or [N, H, W, C], of any number of channels: integers or floating-point numbers. uint8 and \
      uint16 stay what they are and are trained on as [-1, 1]; others become float32 (float16 stays), as they are or \
      with --normalize. Labels are whole numbers, [N], [N, 1] or [1, N], -1 for none. Units, names and coordinates are \
      carried along.

      oboro prepare hdf5 --source weather.nc --variables u,v,t --normalize standard --output data/weather
      """)

  @Option(help: ArgumentHelp("The file.", valueName: "file"))
  var source: String

  @Option(help: ArgumentHelp("The images' path in the file.", valueName: "name"))
  var images: String?

  @Option(help: ArgumentHelp("The labels' path in the file, if there are any.", valueName: "name"))
  var labels: String?

  @Flag(
    help: ArgumentHelp(
      "Dimensions are counted as MATLAB does: images are [H, W, N] or [H, W, C, N] there; --layout says otherwise."
    ))
  var matlab = false

  @OptionGroup var array: ArrayOptions
  @OptionGroup var options: PrepareOptions

  func validate() throws {
    if images == nil && array.variables == nil {
      throw ValidationError("--images or --variables must be given")
    }
  }

  func run() throws {
    var arrays = try array.arrays(images: images, labels: labels)
    arrays.isMATLAB = matlab
    try options.write(source, .hdf5, arrays, name: array.name(of: source))
  }
}

extension PrepareOptions {
  /// Analyses arrays, with a progress bar if that requires reading them, and writes them.
  fileprivate func write(_ path: String, _ format: ArrayImport.Format, _ arrays: ArrayImport, name: String)
    throws
  {
    let console = Console()
    var bar: ProgressBar?
    defer { bar?.finish() }
    let source = try ArraySource(path, format: format, arrays, name: name, split: split) { done, total in
      let shown = bar ?? ProgressBar("look", total: total, console: console)
      shown.update(done)
      bar = shown
    }
    bar?.finish()
    bar = nil
    try write(source)
  }
}

/// `oboro prepare cifar10`
struct PrepareCIFAR10: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cifar10", abstract: "Make a dataset of CIFAR-10's binary version.")

  @Option(help: ArgumentHelp("The directory that holds data_batch_1.bin and so on.", valueName: "dir"))
  var source: String

  @OptionGroup var options: PrepareOptions

  func run() throws {
    try options.write(CIFAR10Source(directory: source, split: options.split))
  }
}

/// `oboro prepare fashion-mnist`
struct PrepareFashionMNIST: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fashion-mnist", abstract: "Make a dataset of Fashion-MNIST's IDX files, gzip or plain.")

  /// The directory used by Debian's package dataset-fashion-mnist.
  @Option(help: ArgumentHelp("The directory that holds the IDX files.", valueName: "dir"))
  var source = "/usr/share/datasets/fashion-mnist"

  @OptionGroup var centering: CenteringOptions
  @OptionGroup var options: PrepareOptions

  func run() throws {
    try options.write(
      centering.applied(to: IDXSource(.fashionMNIST, directory: source, split: options.split)))
  }
}

/// `oboro prepare mnist`
struct PrepareMNIST: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mnist", abstract: "Make a dataset of MNIST's IDX files, gzip or plain.")

  @Option(help: ArgumentHelp("The directory that holds the IDX files.", valueName: "dir"))
  var source: String

  @OptionGroup var centering: CenteringOptions
  @OptionGroup var options: PrepareOptions

  func run() throws {
    try options.write(centering.applied(to: IDXSource(.mnist, directory: source, split: options.split)))
  }
}

/// For images on a black background: enlarges them by extending it.
struct CenteringOptions: ParsableArguments {
  @Option(
    help: "Height and width in pixels, no less than the images', which are centred on black.")
  var size: Int?

  func validate() throws {
    if let size, !(1...65_536).contains(size) {
      throw ValidationError("--size must be 1 to 65536, is \(size)")
    }
  }

  func applied(to images: IDXSource) throws -> any ImageSource {
    guard let size else { return images }
    guard size >= max(images.height, images.width) else {
      throw ValidationError(
        "--size \(size) is less than that of the images, \(images.height) x \(images.width)")
    }
    return CenteredSource(images, size: size)
  }
}

/// `oboro prepare shapes`
struct PrepareShapes: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shapes", abstract: "Make a dataset of shapes that the program draws itself.")

  @OptionGroup var options: PrepareOptions

  @Option(help: "Height and width in pixels, 8 or more.")
  var size = 32

  @Option(help: "How many images.")
  var count = 10_000

  @Option(help: "3 for colour, 1 for grey.")
  var channels = 3

  @Option(help: "Another seed gives other images.")
  var seed: UInt64 = 0

  func validate() throws {
    if !(8...65_536).contains(size) { throw ValidationError("--size must be 8 to 65536, is \(size)") }
    if !(1...1 << 32).contains(count) { throw ValidationError("--count must be 1 to 2^32, is \(count)") }
    if channels != 1 && channels != 3 { throw ValidationError("--channels must be 1 or 3, is \(channels)") }
  }

  func run() throws {
    try options.write(
      ShapesSource(count: count, size: size, channels: channels, seed: seed, split: options.split))
  }
}
