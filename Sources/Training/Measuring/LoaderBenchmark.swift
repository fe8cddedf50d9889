import Datasets
import Foundation
import Settings

/// How fast training's loader reads a dataset: in random order, mirrored and converted, on its one thread.
public struct LoaderBenchmark {
  private let dataset: ShardedDataset
  private let imageCount: Int
  private let seconds: Double

  /// Reads `batchCount` batches of `batchSize` images from the dataset in `directory`.
  ///
  /// - Throws: `DatasetError`.
  public init(directory: String, batchSize: Int, batchCount: Int) throws {
    dataset = try ShardedDataset(directory: directory)
    let clock = ContinuousClock()
    let start = clock.now
    let loader = Loader(
      dataset: dataset, seed: 0, batchSize: batchSize, share: 0..<batchSize, horizontalFlip: true)
    for _ in 0..<batchCount { _ = try loader.next() }
    seconds = (clock.now - start) / .seconds(1)
    loader.close()
    imageCount = batchSize * batchCount
  }

  private var imagesPerSecond: Double { Double(imageCount) / seconds }
  private var bytesPerSecond: Double { imagesPerSecond * Double(dataset.imageSize) }

  /// What scripts read.
  public var json: String {
    let node: SettingsNode = [
      "images_per_second": SettingsNode(imagesPerSecond),
      "bytes_per_second": SettingsNode(bytesPerSecond),
      "images": SettingsNode(imageCount),
      "image_shape": SettingsNode(dataset.imageShape),
      "seconds": SettingsNode(seconds),
      "peak_resident_bytes": SettingsNode(ProcessMemory.peakResidentBytes),
    ]
    return node.indentedJSON
  }

  /// What people read.
  public var text: String {
    let shape = dataset.imageShape.map { "\($0)" }.joined(separator: " x ")
    let rows = [
      (
        "images a second",
        String(format: "%.0f of %@, %.0f MB", imagesPerSecond, shape, bytesPerSecond * 1e-6)
      ),
      ("seconds", String(format: "%.2f for %ld images", seconds, imageCount)),
      ("peak memory", String(format: "%.0f MB", Double(ProcessMemory.peakResidentBytes) * 1e-6)),
    ]
    return rows.map { name, value in
      "  \(name.padding(toLength: 17, withPad: " ", startingAt: 0))\(value)\n"
    }.joined()
  }
}
