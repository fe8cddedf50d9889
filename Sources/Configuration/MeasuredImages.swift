import Datasets
import Foundation
import Models

/// The size of the images that a model is measured with. Measuring needs no dataset, but the size that one would have.
public enum MeasuredImages {
  /// The side where nothing says another: that of the smallest pictures which the articles draw in colour.
  private static let usualSide = 32

  /// [H, W, C]: `size`; or else that which the model is made for, that of the dataset if it is there, the side that
  /// the configuration's name ends with (`annotated-28.yaml`), or the next to 32 x 32 that the model takes.
  ///
  /// - Throws: `ModelError` for images that do not go through the model.
  public static func shape(
    _ configuration: TrainingConfiguration, name: String, size: (height: Int, width: Int)?
  ) throws -> [Int] {
    let model = configuration.model
    let (height, width) = size ?? sides(configuration, name: name)
    try model.check(height: height, width: width, channels: model.imageChannels)
    return [height, width, model.imageChannels]
  }

  private static func sides(_ configuration: TrainingConfiguration, name: String) -> (Int, Int) {
    let divisor: Int
    switch configuration.model.imageSize {
    case .square(let side): return (side, side)
    case .multiples(let number): divisor = number
    }
    if let dataset = try? ShardedDataset(directory: configuration.dataset.path) {
      return (dataset.sampleShape[0], dataset.sampleShape[1])
    }
    let stem = URL(fileURLWithPath: name).deletingPathExtension().lastPathComponent
    let number = stem.split(separator: "-").last.flatMap { Int($0) } ?? 0
    if number > 0 && number % divisor == 0 { return (number, number) }
    let side = (usualSide + divisor - 1) / divisor * divisor
    return (side, side)
  }
}
