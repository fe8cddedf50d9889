import ArgumentParser
import Datasets
import Foundation
import Settings

/// `oboro bench loader`: how fast images come from a dataset.
struct BenchLoader: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loader",
    abstract: "Measure how fast training can read a dataset.",
    discussion: """
      Batches are read in training's random order, mirrored and converted, on the one thread that does so in training. \
      What the system has in memory already is read faster than what it must fetch: run it twice to see both.
      """)

  @Option(help: ArgumentHelp("The dataset.", valueName: "dir"))
  var dataset: String

  @Option(help: "Images of a batch.")
  var batch = 128

  @Option(help: "How many batches to read.")
  var steps = 1000

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    for (option, value) in [("batch", batch), ("steps", steps)] where !(1...1 << 24).contains(value) {
      throw ValidationError("--\(option) must be 1 to \(1 << 24), is \(value)")
    }
  }

  func run() throws {
    let images = try ShardedDataset(directory: dataset)
    let clock = ContinuousClock()
    let start = clock.now
    let loader = Loader(dataset: images, seed: 0, batchSize: batch, share: 0..<batch, horizontalFlip: true)
    for _ in 0..<steps { _ = try loader.next() }
    let seconds = (clock.now - start) / .seconds(1)
    loader.close()

    let count = steps * batch
    var usage = rusage()
    getrusage(RUSAGE_SELF, &usage)
    let report: SettingsNode = [
      "images": SettingsNode(count),
      "image_shape": SettingsNode(images.imageShape),
      "seconds": SettingsNode(seconds),
      "images_per_second": SettingsNode(Double(count) / seconds),
      "megabytes_per_second": SettingsNode(Double(count * images.imageSize) / seconds / 1e6),
      // Linux counts in KiB.
      "peak_resident_bytes": SettingsNode(usage.ru_maxrss * 1024),
    ]
    print(json ? report.indentedJSON : report.yaml(), terminator: "")
  }
}
