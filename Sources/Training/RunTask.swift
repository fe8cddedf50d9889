import Configuration
import Datasets
import Diffusion
import Generation
import Models
import Settings
import Tasks
import Tensors
import Text

/// The parts of a run that depend on what is trained: the fields read from the dataset, the losses, and the previews.
struct RunTask {
  let task: any TrainingTask
  /// [H, W, C] of the network's input.
  let inputShape: [Int]
  /// nil for a run on images.
  let latents: RunLatents?
  /// The frozen network that an adapter or a control network is trained for; nil if the network itself is trained.
  let base: FrozenBase?
  /// nil for a run that does not train a control network.
  let control: RunControl?
  /// nil for a run without captions.
  let texts: RunTexts?
  /// The fields that condition a denoiser in addition to the noisy image; nil if there are none.
  let conditions: RunFields?
  /// The perceptual loss of an autoencoder; nil if it is trained without one.
  let perceptual: RunPerceptualLoss?
  /// The caption field, if captions are read.
  private let captions: Field?
  private let configuration: TrainingConfiguration
  private let dataset: ShardedDataset

  /// - Throws: `DatasetError`, `ModelError` if the network cannot be trained on this dataset.
  init(
    _ configuration: TrainingConfiguration, _ dataset: ShardedDataset, _ latents: RunLatents?,
    _ texts: RunTexts?, _ base: FrozenBase?, _ perceptual: RunPerceptualLoss?
  ) throws {
    self.configuration = configuration
    self.dataset = dataset
    self.latents = latents
    self.texts = texts
    self.perceptual = perceptual
    self.base = base
    let inputShape = try latents?.shape ?? dataset.requireImages().shape
    self.inputShape = inputShape
    try Self.check(dataset, inputShape, configuration.model, hasTexts: texts != nil)
    if case .control(let section) = configuration.task, let base {
      control = try RunControl(section, dataset, base, inputShape: inputShape)
    } else {
      control = nil
    }
    conditions = try RunFields(configuration, dataset, shape: inputShape)
    try configuration.task.checkLosses(height: inputShape[0], width: inputShape[1], channels: inputShape[2])
    var tokens: (@Sendable (String) -> [Int])?
    if case .contrastive(let section) = configuration.task {
      guard configuration.adapter == nil else {
        throw ModelError(
          "training.task: contrastive trains a whole clip, and no adapter of one: remove the section adapter")
      }
      captions = try Self.captions(of: dataset)
      tokens = try Self.tokens(for: section)
    } else {
      captions = texts?.field
    }
    let whole = configuration.trainingTask(
      imageShape: inputShape, scaling: latents?.scaling, captions: texts?.conditioning,
      control: control?.conditioning, fields: conditions?.conditioning, perceptual: perceptual?.term,
      tokens: tokens)
    if let inversion = configuration.inversion, let base, let texts {
      task = InversionTask(inversion.table, of: whole, weights: base.weights, encoder: texts.bound)
    } else {
      task = configuration.adapting(whole, weights: base?.weights, encoder: texts?.bound)
    }
  }

  private static func check(
    _ dataset: ShardedDataset, _ shape: [Int], _ model: TrainedNetwork, hasTexts: Bool
  ) throws {
    do {
      try model.check(height: shape[0], width: shape[1], channels: shape[2])
      if let model = model.denoiser {
        try model.classes?.check(dataset)
        if !hasTexts { try model.requireNoContext() }
      }
    } catch {
      throw ModelError("\(dataset.directory): \(error)")
    }
  }

  /// Throws unless `heldOut` has all fields that the task reads, with the same shapes.
  func check(heldOut: ShardedDataset) throws {
    let shape =
      try latents.map { try RunLatents.fields(of: heldOut, from: $0.frozen).means.shape }
      ?? heldOut.requireImages().shape
    try Self.check(heldOut, shape, configuration.model, hasTexts: texts != nil)
    guard shape == inputShape else {
      throw ModelError("\(heldOut.directory): has images of \(shape), training's are \(inputShape)")
    }
    for request in fields ?? [] {
      let (own, other) = (try dataset.index(of: request.name), try heldOut.index(of: request.name))
      // The number of captions per sample may differ.
      guard dataset.fields[own].type == .text || dataset.fields[own].shape == heldOut.fields[other].shape
      else {
        throw ModelError(
          "\(heldOut.directory): its \(request.name) are \(heldOut.fields[other].shape), training's are "
            + "\(dataset.fields[own].shape)")
      }
    }
  }

  /// The fields that the loader reads; nil for images and their labels.
  var fields: [FieldRequest]? {
    let more =
      [captions.map { FieldRequest($0.name) }, control?.request].compactMap { $0 }
      + (conditions?.requests ?? [])
    guard !more.isEmpty else { return latents?.fields }
    let usual = [FieldRole.image, .label].compactMap { dataset.manifest.field($0) }
    return (latents?.fields ?? usual.map { FieldRequest($0.name) }) + more
  }

  /// The prompts of previews: the configured ones, or captions from all over the dataset.
  private func previewTexts() throws -> [String] {
    guard let texts, configuration.sampling.prompts.isEmpty else { return configuration.sampling.prompts }
    guard let name = texts.field?.name else {
      return [String](repeating: configuration.inversion?.template ?? "", count: previewCount)
    }
    let field = try dataset.index(of: name)
    return try previewIndices.flatMap { try dataset.text($0, field: field).prefix(1) }
  }

  /// Samples spread over the dataset, which may be sorted.
  private var previewIndices: [Int] { (0..<previewCount).map { $0 * dataset.count / previewCount } }

  /// The classes of previews: those of samples of the dataset, or all in turn if it has no labels.
  ///
  /// - Throws: `DatasetError`.
  private func previewClasses(of model: any Denoiser) throws -> SampleClasses {
    guard let known = model.classes, let labels = dataset.manifest.field(.label) else {
      return SampleClasses()
    }
    let batch = try dataset.batch(previewIndices, fields: [FieldRequest(labels.name)])
    return SampleClasses(.listed(batch.labels.map { known.label($0) }))
  }

  /// The field of the images, or of those that latents were encoded from; nil for ordinary pictures.
  private var imageField: Field? {
    (dataset.manifest.field(.image) ?? dataset.manifest.encoding?.image).flatMap { $0.isDescribed ? $0 : nil }
  }

  /// The description of the images stored in checkpoints, so that samples have the names and units of the source; nil
  /// for ordinary pictures, which need none.
  ///
  /// - Throws: `SettingsError`, `EncodingError` for attributes that cannot be written.
  func fieldDescription() throws -> SettingsNode? {
    try imageField?.node(of: dataset.directory)
  }

  /// - Throws: `ModelError` if the dataset has no captions.
  static func captions(of dataset: ShardedDataset) throws -> Field {
    guard let field = dataset.manifest.field(.caption), field.shape.count <= 1 else {
      throw ModelError("\(dataset.directory): holds no captions: prepare it with pictures that have some")
    }
    return field
  }

  /// The function that tokenises captions.
  ///
  /// - Throws: `ModelError` if the tokeniser does not fit the model; `TokenizerError`, `FileError`.
  private static func tokens(
    for section: TaskSettings.ContrastiveSection
  ) throws -> @Sendable (String) -> [Int] {
    let tokenizer = try CLIPTokenizer(path: section.tokenizer)
    let text = section.model.settings.text
    guard tokenizer.vocabularySize <= text.vocabularySize, tokenizer.contextLength <= text.tokenLimit else {
      throw ModelError(
        "\(section.tokenizer): has \(tokenizer.vocabularySize) tokens and makes \(tokenizer.contextLength) of a text; set "
          + "vocab_size and max_position_embeddings in model.text_config to these")
    }
    guard tokenizer.endToken == text.endToken else {
      throw ModelError(
        "\(section.tokenizer): ends a text with \(tokenizer.endToken), which stands for all of it: set eos_token_id in "
          + "model.text_config to that")
    }
    return { tokenizer.encode($0).tokens }
  }

  /// Whether the task has previews.
  var hasPreview: Bool { if case .contrastive = configuration.model { false } else { true } }

  /// The number of images in a preview.
  var previewCount: Int {
    switch configuration.model {
    case .denoiser, .control: configuration.sampling.count
    case .autoencoder: min(configuration.sampling.count, dataset.count)
    case .contrastive: 0
    }
  }

  /// The weights for forward passes through the network, given the trained ones.
  private func passWeights(_ trained: ParameterBuffer) -> PassWeights {
    guard let base, let adapter = configuration.adapter?.adapter else {
      return PassWeights(
        base?.weights ?? trained, of: configuration.model.parameters.set,
        precision: configuration.training.precision)
    }
    return PassWeights(
      sets: [
        BoundParameters(adapter.parameters.set, weights: trained),
        BoundParameters(configuration.model.parameters.set, weights: base.weights),
      ], adaptation: adapter, precision: configuration.training.precision)
  }

  /// A preview of the run's progress, computed with these weights.
  ///
  /// - Throws: `SamplingError`.
  func preview(weights: ParameterBuffer, engine: Engine) throws -> any Preview {
    switch configuration.model {
    case .denoiser(let model):
      return ImageSampling(
        model: model,
        sampler: SamplingLoop(try configuration.samplingPlan(), seed: configuration.training.seed),
        weights: passWeights(weights), shape: inputShape,
        conditions: SampleConditions(
          prompts: try texts?.prompts(previewTexts(), weights: weights, engine: engine),
          fields: try conditions?.preview(of: dataset, count: previewCount)),
        decoder: latents?.decoder(engine), field: imageField, engine: engine)
    case .control(_, let model): return try controlledPreview(model, weights, engine)
    case .contrastive: preconditionFailure("a clip draws nothing")
    case .autoencoder(let model):
      let field = try dataset.index(of: dataset.requireImages().name)
      return ImageReconstruction(
        model: model, weights: weights, imageShape: inputShape, field: imageField,
        engine: engine
      ) { [dataset, previewCount, size = inputShape.reduce(1, *)] index in
        try [Float](unsafeUninitializedCapacity: size) { values, count in
          count = size
          // Spread over the dataset, which may be sorted.
          try dataset.read(
            index * dataset.count / previewCount, field: field,
            into: UnsafeMutableBufferPointer(rebasing: values[..<size]))
        }
      }
    }
  }
}

extension RunTask {
  /// A preview of the denoiser, controlled by conditions from the dataset.
  private func controlledPreview(
    _ model: any Denoiser, _ weights: ParameterBuffer, _ engine: Engine
  ) throws -> any Preview {
    guard let control, let base else { preconditionFailure("a control network without a denoiser") }
    let images = try control.images(previewIndices, of: dataset)
    let sampling = ImageSampling(
      model: model,
      sampler: SamplingLoop(try configuration.samplingPlan(), seed: configuration.training.seed),
      weights: base.weights, shape: inputShape,
      conditions: SampleConditions(
        classes: try previewClasses(of: model),
        prompts: try texts?.prompts(previewTexts(), weights: weights, engine: engine)),
      decoder: latents?.decoder(engine), controls: [control.control(weights, images)], engine: engine)
    return ControlledPreview(sampling, images: images, shape: control.field.shape)
  }
}

extension TaskSettings {
  /// Throws unless an autoencoder's losses accept images of this size.
  fileprivate func checkLosses(height: Int, width: Int, channels: Int) throws {
    guard case .autoencoder(let section) = self else { return }
    try section.adversary?.discriminator.check(height: height, width: width)
    if section.perceptual != nil { try LPIPS.check(height: height, width: width, channels: channels) }
  }
}
