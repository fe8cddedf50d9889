import Configuration
import Datasets
import Generation
import Models
import Settings
import Tasks

/// The dataset fields that condition a run's denoiser in addition to the noisy image.
struct RunFields {
  private let planes: FieldPlanes
  private let dropout: Double

  /// nil for a run without fields.
  ///
  /// - Parameter shape: [H, W, C] of images or latents.
  /// - Throws: `DatasetError`, `ModelError` for a dataset whose fields do not fit the model.
  init?(_ configuration: TrainingConfiguration, _ dataset: ShardedDataset, shape: [Int]) throws {
    guard case .diffusion(let section) = configuration.task, let fields = section.fields else { return nil }
    dropout = fields.dropout
    planes = try Self.planes(section.model, fields.names, dataset, shape)
    // Fields of other roles would not be mirrored with the image.
    let odd = planes.fields.first { $0.shape.count == 3 && $0.role != .condition && $0.role != .mask }
    if let odd, configuration.dataset.flipsHorizontally {
      throw ModelError(
        "\(dataset.directory): the field \(odd.name) is of the role \(odd.role.rawValue), which is not mirrored with "
          + "images: prepare it as condition, or set dataset.horizontal_flip to false")
    }
  }

  private static func planes(
    _ model: any Denoiser, _ names: [String], _ dataset: ShardedDataset, _ shape: [Int]
  ) throws -> FieldPlanes {
    let planes = try FieldPlanes(
      names.map { dataset.fields[try dataset.index(of: $0)] }, height: shape[0], width: shape[1],
      in: dataset.directory)
    guard planes.channels == model.conditionChannels else {
      throw ModelError(
        "\(dataset.directory): conditioning.fields have \(planes.channels) channels, and the model sees "
          + "\(model.conditionChannels) beside those of an image: set model.\(model.imageChannelsKey) to "
          + "\(model.imageChannels + planes.channels)")
    }
    return planes
  }

  /// The requests for the loader.
  var requests: [FieldRequest] { planes.fields.map { FieldRequest($0.name) } }

  /// The conditioning of the training task.
  var conditioning: FieldConditioning { FieldConditioning(planes, dropout: dropout) }

  /// The fields for previews: those of samples spread over the dataset.
  ///
  /// - Throws: `DatasetError`.
  func preview(of dataset: ShardedDataset, count: Int) throws -> SampleFields {
    let batch = try dataset.batch((0..<count).map { $0 * dataset.count / count }, fields: requests)
    return SampleFields(
      planes, values: batch.fields.map { $0.floats ?? [] }, count: count, canBeLeftOut: dropout > 0)
  }

  /// Their descriptions in a checkpoint.
  ///
  /// - Throws: `SettingsError`, `EncodingError` for attributes that cannot be encoded.
  func descriptions(of dataset: ShardedDataset) throws -> [SettingsNode] {
    try planes.fields.map { field in
      // Mask and mirror fields concern only the dataset.
      var field = field
      (field.maskedBy, field.flippedBy) = (nil, nil)
      return try field.node(of: dataset.directory)
    }
  }
}
