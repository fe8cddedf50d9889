import ArgumentParser
import Datasets
import Foundation

/// `oboro prepare`: makes a dataset's directory.
struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a dataset to train on.",
    discussion: """
      fashion-mnist and mnist are read from their IDX files, gzip or plain; shapes is drawn by the program itself. \
      The images are spread evenly over HDF5 files (shards), with a manifest, dataset.json, beside them. A dataset is \
      complete or not there: an interrupted command leaves none, and can be given again.
      """)

  enum Collection: String, CaseIterable, ExpressibleByArgument {
    case fashionMNIST = "fashion-mnist"
    case mnist, shapes
  }

  @Argument(help: "The dataset.")
  var dataset: Collection

  @Option(
    help: ArgumentHelp(
      "The directory that holds the IDX files.",
      discussion: "For fashion-mnist, if not given: \(Self.fashionMNISTDirectory)", valueName: "dir"))
  var source: String?

  @Option(
    help: ArgumentHelp("The directory to make, or that holds an earlier copy to replace.", valueName: "dir"))
  var output: String

  @Option(
    help: ArgumentHelp("How many files to spread the images over; as many as suit their size if not given."))
  var shards: Int?

  @Option(
    help: ArgumentHelp(
      "Height and width in pixels.",
      discussion:
        "shapes: 8 or more, 32 if not given. Others: no less than the images', which are centred on black."))
  var size: Int?

  @Option(help: "The part of the dataset, train or test.")
  var split: Split = .train

  @Option(help: "shapes: how many images; 10000 if not given.")
  var count: Int?

  @Option(help: "shapes: 3 for colour, 1 for grey; 3 if not given.")
  var channels: Int?

  @Option(help: "shapes: another seed gives other images; 0 if not given.")
  var seed: UInt64?

  /// Where Debian's package dataset-fashion-mnist puts the files.
  private static let fashionMNISTDirectory = "/usr/share/datasets/fashion-mnist"

  func validate() throws {
    if let shards, !(1...99_999).contains(shards) {
      throw ValidationError("--shards must be 1 to 99999, is \(shards)")
    }
    if let size, !(1...65_536).contains(size) {
      throw ValidationError("--size must be 1 to 65536, is \(size)")
    }
    if dataset == .shapes {
      if source != nil {
        throw ValidationError("--source makes no sense for shapes, which the program draws itself")
      }
      if let size, size < 8 { throw ValidationError("--size must be at least 8 for shapes, is \(size)") }
      if let count, !(1...1 << 32).contains(count) {
        throw ValidationError("--count must be 1 to 2^32, is \(count)")
      }
      if let channels, channels != 1 && channels != 3 {
        throw ValidationError("--channels must be 1 or 3, is \(channels)")
      }
    } else {
      for (option, isGiven) in [
        ("count", count != nil), ("channels", channels != nil), ("seed", seed != nil),
      ]
      where isGiven {
        throw ValidationError("--\(option) is for shapes only; \(dataset.rawValue) is read as it is")
      }
      if dataset == .mnist && source == nil {
        throw ValidationError("--source is missing: the directory that holds the files of mnist")
      }
    }
  }

  func run() throws {
    let images = try openSource()
    if let shards, shards > images.count {
      throw ValidationError("--shards \(shards) are more than the \(images.count) images")
    }
    let manifest = try write(images)

    let bytes = manifest.shards.reduce(0) { sum, shard in
      let path = URL(fileURLWithPath: output).appendingPathComponent(shard.fileName).path
      return sum + ((try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0)
    }
    let megabytes = String(format: "%.1f", Double(bytes) / 1e6)
    print(
      """
      \(output): \(manifest.name), split \(manifest.split)
        \(manifest.imageCount) images of \(manifest.height) x \(manifest.width) x \(manifest.channels), \
      \(manifest.classNames.count) classes
        \(manifest.shards.count) \(manifest.shards.count == 1 ? "shard" : "shards"), \(megabytes) MB
      """)
  }

  private func write(_ images: any ImageSource) throws -> DatasetManifest {
    let progress = ProgressLine(total: images.count)
    defer { progress.clear() }
    return try DatasetWriter(directory: output, shardCount: shards).write(images, progress: progress.update)
  }

  private func openSource() throws -> any ImageSource {
    let collection: IDXSource.Collection
    switch dataset {
    case .shapes:
      return ShapesSource(
        count: count ?? 10_000, size: size ?? 32, channels: channels ?? 3, seed: seed ?? 0, split: split)
    case .fashionMNIST: collection = .fashionMNIST
    case .mnist: collection = .mnist
    }
    let images = try IDXSource(collection, directory: source ?? Self.fashionMNISTDirectory, split: split)
    guard let size else { return images }
    guard size >= max(images.height, images.width) else {
      throw ValidationError(
        "--size \(size) is less than that of the images, \(images.height) x \(images.width)")
    }
    return CenteredSource(images, size: size)
  }
}

extension Split: ExpressibleByArgument {}

/// How far a command is, on one line of the terminal; nothing if standard error is not one.
private final class ProgressLine {
  private let total: Int
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var shownPercent = -1

  init(total: Int) { self.total = total }

  func update(_ done: Int) {
    let percent = done * 100 / total
    guard isTerminal, percent != shownPercent else { return }
    shownPercent = percent
    show("\r\(done) of \(total) images, \(percent)%")
  }

  func clear() {
    guard isTerminal else { return }
    show("\r\u{1B}[K")
  }

  private func show(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
