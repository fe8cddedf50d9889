import ArgumentParser
import Datasets
import Files
import Foundation
import Reporting

/// `oboro prepare`: makes a dataset's directory.
struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a dataset to train on.",
    discussion: """
      The images are spread evenly over HDF5 files (shards), with a manifest, dataset.json, beside them. A dataset is \
      complete or not there: an interrupted command leaves none, and can be given again. The same input gives the same \
      bytes.

      oboro prepare fashion-mnist --output data/fashion-mnist
      oboro prepare images --source photos --size 64 --output data/photos
      """,
    subcommands: [
      PrepareImages.self, PrepareNumPy.self, PrepareHDF5.self, PrepareCIFAR10.self, PrepareFashionMNIST.self,
      PrepareMNIST.self, PrepareShapes.self,
    ])
}

/// What all datasets are made with.
struct PrepareOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The directory to make, or that holds an earlier copy to replace.", valueName: "dir"))
  var output: String

  @Option(
    help: ArgumentHelp("How many files to spread the images over; as many as suit their size if not given."))
  var shards: Int?

  @Option(help: "The part of the dataset, train or test.")
  var split: Split = .train

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if let shards, !(1...99_999).contains(shards) {
      throw ValidationError("--shards must be 1 to 99999, is \(shards)")
    }
  }

  var threads: Int {
    get throws { try threadOptions.count(environment: ProcessInfo.processInfo.environment) }
  }

  /// Writes the images, with a progress bar, and says what came of it.
  ///
  /// - Parameter skipsUnreadable: whether images that cannot be read are left out, and listed.
  func write(_ images: any ImageSource, skipsUnreadable: Bool = false) throws {
    if let shards, shards > images.count {
      throw ValidationError("--shards \(shards) are more than the \(images.count) images")
    }
    let console = Console()
    let bar = ProgressBar("prepare", total: images.count, console: console)
    let writer = DatasetWriter(directory: output, shardCount: shards, threadCount: try threads)
    var skipped = 0
    let manifest: DatasetManifest
    do {
      if skipsUnreadable {
        manifest = try writer.writeReadable(images, progress: { bar.update($0) }) { reason in
          skipped += 1
          if skipped <= Self.shownReasons { console.print("left out: \(reason)") }
        }
      } else {
        manifest = try writer.write(images) { bar.update($0) }
      }
      bar.finish()
    } catch {
      bar.finish()
      throw error
    }
    try print(summary(manifest, skipped: skipped))
  }

  /// How many pictures to name on the terminal that could not be read.
  private static let shownReasons = 20

  private func summary(_ manifest: DatasetManifest, skipped: Int) -> String {
    func path(_ name: String) -> String { URL(fileURLWithPath: output).appendingPathComponent(name).path }
    let bytes = manifest.shards.reduce(0) { sum, shard in
      sum + ((try? WholeFile.size(path(shard.fileName))) ?? 0)
    }
    let megabytes = String(format: "%.1f", Double(bytes) / 1e6)
    let classes = manifest.classNames
    let names = classes.prefix(8).joined(separator: ", ") + (classes.count > 8 ? ", ..." : "")
    var lines = [
      "\(output): \(manifest.name), split \(manifest.split)",
      "  \(manifest.imageCount) images of \(manifest.height) x \(manifest.width) x \(manifest.channels)",
      "  \(classes.count) classes" + (classes.isEmpty ? "" : ": \(names)"),
      "  \(manifest.shards.count) \(manifest.shards.count == 1 ? "shard" : "shards"), \(megabytes) MB",
    ]
    if skipped > 0 {
      lines.append("  \(skipped) could not be read and are left out: \(path(DatasetWriter.unreadableName))")
    }
    return lines.joined(separator: "\n")
  }
}

extension Split: ExpressibleByArgument {}

/// What the images of a file are called, and what is known of them besides.
struct ArrayOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The dataset's name; that of the file, without its end, if not given."))
  var name: String?

  @Option(
    help: ArgumentHelp("The classes' names, label 0 first, with commas between.", valueName: "name,name,..."))
  var classes: String?

  @Flag(help: "The images lie as [N, C, H, W], PyTorch's order.")
  var channelsFirst = false

  func name(of file: String) -> String {
    name ?? URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
  }

  var classNames: [String]? {
    classes?.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
  }
}
