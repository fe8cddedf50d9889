import Datasets
import Foundation
import Settings

/// Measures how fast training's loader reads a dataset: in random order, flipped and converted, on its single thread.
public struct LoaderBenchmark {
  private let dataset: ShardedDataset
  private let imageCount: Int
  private let seconds: Double
  /// Measured from before the dataset is opened.
  private let firstBatchSeconds: Double

  /// Reads `batchCount` batches of `batchSize` images from the dataset in `directory`.
  ///
  /// - Throws: `DatasetError`.
  public init(directory: String, batchSize: Int, batchCount: Int) throws {
    let clock = ContinuousClock()
    let opening = clock.now
    dataset = try ShardedDataset(directory: directory)
    let start = clock.now
    let loader = Loader(
      dataset: dataset, seed: 0, batchSize: batchSize, share: 0..<batchSize, horizontalFlip: true)
    _ = try loader.next()
    firstBatchSeconds = (clock.now - opening) / .seconds(1)
    for _ in 1..<batchCount { _ = try loader.next() }
    seconds = (clock.now - start) / .seconds(1)
    loader.close()
    imageCount = batchSize * batchCount
  }

  private var imagesPerSecond: Double { Double(imageCount) / seconds }
  private var bytesPerSecond: Double { imagesPerSecond * Double(dataset.imageSize) }

  /// Machine-readable form, for scripts.
  public var json: String {
    let node: SettingsNode = [
      "images_per_second": SettingsNode(imagesPerSecond),
      "bytes_per_second": SettingsNode(bytesPerSecond),
      "images": SettingsNode(imageCount),
      "image_shape": SettingsNode(dataset.imageShape),
      "seconds": SettingsNode(seconds),
      "first_batch_seconds": SettingsNode(firstBatchSeconds),
      "peak_resident_bytes": SettingsNode(ProcessMemory.peakResidentBytes),
    ]
    return node.indentedJSON
  }

  /// Human-readable table.
  public var text: String {
    let shape = dataset.imageShape.map { "\($0)" }.joined(separator: " x ")
    let rows = [
      (
        "images a second",
        String(format: "%.0f of %@, %.0f MB", imagesPerSecond, shape, bytesPerSecond * 1e-6)
      ),
      ("seconds", String(format: "%.2f for %ld images", seconds, imageCount)),
      ("first batch", String(format: "after %.3f s", firstBatchSeconds)),
      ("peak memory", String(format: "%.0f MB", Double(ProcessMemory.peakResidentBytes) * 1e-6)),
    ]
    return rows.map { name, value in
      "  \(name.padding(toLength: 17, withPad: " ", startingAt: 0))\(value)\n"
    }.joined()
  }
}
