import Datasets
import Kernels
import Pictures

/// The images of a dataset.
struct DatasetImages: EvaluatedImages {
  let path: String
  private let dataset: ShardedDataset
  private let field: Field
  /// The index of the image field among those of the dataset.
  private let place: Int

  init(_ path: String) throws {
    self.path = path
    dataset = try ShardedDataset(directory: path)
    field = try dataset.requireImages()
    place = try dataset.index(of: field.name)
    guard field.type != .int32 else {
      throw EvaluationError(path, "has images of int32, expected bytes, words or floating-point numbers")
    }
  }

  var count: Int { dataset.count }
  var type: FieldType { field.type }
  var normalization: Normalization? { field.normalization }

  var texts: [String]? {
    get throws { try DatasetCaptions(ifAnyIn: path)?.texts(count) }
  }

  func picture(_ index: Int) throws -> Picture {
    guard field.type == .uint8, dataset.channels == 1 || dataset.channels == 3 else {
      throw EvaluationError(
        path,
        "has images of \(field.type.rawValue) with \(dataset.channels) channels; Inception-v3 sees pictures, uint8 of 1 "
          + "or 3 channels: leave --features away to compare the values")
    }
    let samples = try [UInt8](unsafeUninitializedCapacity: dataset.imageSize) { buffer, count in
      count = dataset.imageSize
      try dataset.read(
        index, field: place,
        into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
    }
    return Picture(width: dataset.width, height: dataset.height, channels: dataset.channels, samples: samples)
  }

  func read(_ index: Int, shape: ImageShape, into values: UnsafeMutableBufferPointer<Float>) throws {
    let greatest: Float? =
      switch field.type {
      case .uint8: 255
      case .uint16: 65_535
      default: nil
      }
    try dataset.read(index, field: place, form: greatest == nil ? .scaled : .stored, into: values)
    if let greatest { for place in values.indices { values[place] /= greatest } }
  }

  func commonShape(pool: ThreadPool) -> ImageShape {
    ImageShape(height: dataset.height, width: dataset.width, channels: dataset.channels)
  }
}
