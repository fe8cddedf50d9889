import Configuration
import Datasets
import Generation
import Models
import Tasks
import Tensors

/// The condition images of a run's control network, and the denoiser that it controls.
struct RunControl {
  /// The dataset's condition field.
  let field: Field
  private let section: TaskSettings.ControlSection
  private let base: FrozenBase

  /// - Parameter inputShape: [H, W, C] of the denoiser's input.
  /// - Throws: `ModelError` for a dataset without a suitable condition field.
  init(
    _ section: TaskSettings.ControlSection, _ dataset: ShardedDataset, _ base: FrozenBase, inputShape: [Int]
  ) throws {
    self.section = section
    self.base = base
    let known = dataset.fields.filter { $0.role == .condition }
    let names = known.map(\.name).joined(separator: ", ")
    if let name = section.field {
      guard let field = known.first(where: { $0.name == name }) else {
        throw ModelError(
          "\(dataset.directory): has no condition \(name) (conditioning.condition)"
            + (known.isEmpty ? "; oboro prepare --condition makes one" : ", but \(names)"))
      }
      self.field = field
    } else {
      guard let field = known.first else {
        throw ModelError(
          "\(dataset.directory): holds no condition, which a control network could see: prepare it with --condition"
        )
      }
      self.field = field
    }
    guard field.type != .int32 else {
      throw ModelError(
        "\(dataset.directory): its \(field.name) are int32, expected bytes, words or floating-point numbers")
    }
    let scale = section.network.conditionScale
    let expected = [scale * inputShape[0], scale * inputShape[1], section.network.conditionChannels]
    guard field.shape == expected else {
      throw ModelError(
        "\(dataset.directory): its \(field.name) are \(field.shape) (height, width, channels), and the control network sees "
          + "\(expected): set model.conditioning_channels to their channels; each of "
          + "model.conditioning_embedding_out_channels but the first halves their sides, to those of the "
          + "\(inputShape[0])x\(inputShape[1]) that are denoised")
    }
  }

  /// The request for the loader.
  var request: FieldRequest { FieldRequest(field.name, form: .unit) }

  /// The conditioning of the training task.
  var conditioning: ControlConditioning {
    ControlConditioning(
      section.network, weights: base.weights, field: field.name, dropout: section.dropout)
  }

  /// Initialises the network's weights: those that correspond to the denoiser's are copied from it.
  ///
  /// - Parameter weights: the network's weights, randomly initialised.
  /// - Throws: `ModelError` for a denoiser that the network cannot be copied from, or that cannot be controlled.
  func begin(_ weights: ParameterBuffer, engine: Engine) throws {
    let model = section.diffusion.model
    try section.network.copyEncoder(of: model, base.weights, into: weights)
    do {
      try section.network.requireEffect(on: model, base.weights, own: weights, engine: engine)
    } catch let error as ModelError {
      throw ModelError("\(base.path): \(error)")
    }
  }

  /// The conditions of samples of a dataset, from 0 to 1.
  ///
  /// - Throws: `DatasetError`.
  func images(_ indices: [Int], of dataset: ShardedDataset) throws -> [[Float]] {
    let place = try dataset.index(of: field.name)
    return try indices.map { index in
      try [Float](unsafeUninitializedCapacity: field.elementCount) { values, count in
        count = field.elementCount
        try dataset.read(
          index, field: place, form: .unit, into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
      }
    }
  }

  /// The control exerted by a network with these weights for the conditions `images`.
  func control(_ weights: ParameterBuffer, _ images: [[Float]]) -> SampleControl {
    SampleControl(section.network, weights: weights, [SampleControl.Condition(images)])
  }
}
