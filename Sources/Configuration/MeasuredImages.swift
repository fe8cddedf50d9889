import Datasets
import Foundation
import Models

/// The size of the images used to measure a model. Measuring reads no dataset; it needs only the image size.
public enum MeasuredImages {
  /// The default side: that of the smallest colour images in the published experiments.
  private static let usualSide = 32

  /// [H, W, C]: `size` if given; otherwise the size that the model is built for, that of the dataset if present, the
  /// side at the end of the configuration's name (`annotated-28.yaml`), or the smallest size from 32 x 32 up that the
  /// model accepts.
  ///
  /// - Throws: `ModelError` if the model does not accept images of this size.
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
