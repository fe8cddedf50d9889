import Configuration
import Datasets
import Diffusion
import Foundation
import Generation
import Models
import Settings
import Tasks
import Tensors
import Text

/// What a run does that depends on what it trains: what it reads of the dataset, the losses, and what it shows.
struct RunTask {
  let task: any TrainingTask
  /// [H, W, C] of what the network sees.
  let inputShape: [Int]
  /// nil for a run on images.
  let latents: RunLatents?
  /// The frozen network whose adapter is trained; nil: the network itself is.
  let base: FrozenBase?
  /// nil for a run without captions.
  let texts: RunTexts?
  /// The field of captions, where they are read.
  private let captions: Field?
  private let configuration: TrainingConfiguration
  private let dataset: ShardedDataset

  /// - Throws: `DatasetError`, `ModelError` for a dataset that what is to be trained cannot be trained on.
  init(
    _ configuration: TrainingConfiguration, _ dataset: ShardedDataset, _ latents: RunLatents?,
    _ texts: RunTexts?, _ base: FrozenBase?
  ) throws {
    self.configuration = configuration
    self.dataset = dataset
    self.latents = latents
    self.texts = texts
    self.base = base
    inputShape = try latents?.shape ?? dataset.requireImages().shape
    try Self.check(dataset, inputShape, configuration.model, hasTexts: texts != nil)
    if case .contrastive(let section) = configuration.task {
      guard configuration.adapter == nil else {
        throw ModelError(
          "training.task: contrastive trains a whole clip, and no adapter of one: remove the section adapter")
      }
      captions = try Self.captions(of: dataset)
      task = ContrastiveTask(
        section.model, imageShape: inputShape, seed: configuration.training.seed,
        tokens: try Self.tokens(for: section))
      return
    }
    captions = texts?.field
    task = configuration.adapting(
      configuration.trainingTask(
        imageShape: inputShape, scaling: latents?.scaling, captions: texts?.conditioning),
      weights: base?.weights)
  }

  private static func check(
    _ dataset: ShardedDataset, _ shape: [Int], _ model: TrainedNetwork, hasTexts: Bool
  ) throws {
    do {
      try model.check(height: shape[0], width: shape[1], channels: shape[2])
      if case .denoiser(let model) = model {
        try model.classes?.check(dataset)
        if !hasTexts { try model.requireNoContext() }
      }
    } catch {
      throw ModelError("\(dataset.directory): \(error)")
    }
  }

  /// Throws unless what the task reads of its dataset is in `heldOut` too, and alike.
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
      // As many captions as there are.
      guard dataset.fields[own].type == .text || dataset.fields[own].shape == heldOut.fields[other].shape
      else {
        throw ModelError(
          "\(heldOut.directory): its \(request.name) are \(heldOut.fields[other].shape), training's are "
            + "\(dataset.fields[own].shape)")
      }
    }
  }

  /// What the loader reads of the dataset; nil: images and their labels.
  var fields: [FieldRequest]? {
    guard let captions else { return latents?.fields }
    let usual = [FieldRole.image, .label].compactMap { dataset.manifest.field($0) }
    return (latents?.fields ?? usual.map { FieldRequest($0.name) }) + [FieldRequest(captions.name)]
  }

  /// The texts of previews: those that were asked for, or captions from all over the dataset.
  private func previewTexts() throws -> [String] {
    guard let texts, configuration.sampling.prompts.isEmpty else { return configuration.sampling.prompts }
    let field = try dataset.index(of: texts.field.name)
    return try (0..<previewCount).flatMap { index in
      try dataset.text(index * dataset.count / previewCount, field: field).prefix(1)
    }
  }

  /// What a checkpoint says of the images, so that what is drawn has the names and units of the source; nil for pictures,
  /// of which there is nothing to say.
  ///
  /// - Throws: `SettingsError`, `EncodingError` for attributes that cannot be written.
  func fieldDescription() throws -> SettingsNode? {
    guard let field = dataset.manifest.field(.image) ?? dataset.manifest.encoding?.image, field.isDescribed
    else {
      return nil
    }
    let json = try JSONEncoder().encode(field)
    return try SettingsNode(yaml: String(decoding: json, as: UTF8.self), source: dataset.directory)
  }

  /// - Throws: `ModelError` if the dataset has none.
  static func captions(of dataset: ShardedDataset) throws -> Field {
    guard let field = dataset.manifest.field(.caption), field.shape.count <= 1 else {
      throw ModelError("\(dataset.directory): holds no captions: prepare it with pictures that have some")
    }
    return field
  }

  /// What makes tokens of captions.
  ///
  /// - Throws: `ModelError` for a tokeniser of another model; `TokenizerError`, `FileError`.
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

  /// Whether there is anything to show.
  var hasPreview: Bool { if case .contrastive = configuration.task { false } else { true } }

  /// How many images a preview shows.
  var previewCount: Int {
    switch configuration.task {
    case .diffusion: configuration.sampling.count
    case .autoencoder: min(configuration.sampling.count, dataset.count)
    case .contrastive: 0
    }
  }

  /// What passes go through the network with, given the weights that are trained.
  private func passWeights(_ trained: ParameterBuffer) -> PassWeights {
    guard let base, let adapter = configuration.adapter?.adapter else {
      return PassWeights(trained, of: configuration.model.parameters.set)
    }
    return PassWeights(
      sets: [
        BoundParameters(adapter.parameters.set, weights: trained),
        BoundParameters(configuration.model.parameters.set, weights: base.weights),
      ], adaptation: adapter)
  }

  /// What shows how far the run is, with these weights.
  ///
  /// - Throws: `SamplingError`.
  func preview(weights: ParameterBuffer, engine: Engine) throws -> any Preview {
    switch configuration.task {
    case .diffusion(let section):
      return ImageSampling(
        model: section.model,
        sampler: SamplingLoop(try configuration.samplingPlan(), seed: configuration.training.seed),
        weights: passWeights(weights), shape: inputShape,
        conditions: SampleConditions(prompts: try texts?.prompts(previewTexts(), engine: engine)),
        decoder: latents?.decoder(engine), engine: engine)
    case .contrastive: preconditionFailure("a clip draws nothing")
    case .autoencoder(let section):
      let field = try dataset.index(of: dataset.requireImages().name)
      return ImageReconstruction(
        model: section.model, weights: weights, imageShape: inputShape, engine: engine
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

extension TrainingConfiguration {
  /// What training computes of each micro-batch.
  ///
  /// - Parameters:
  ///   - imageShape: [H, W, C] of images or latents.
  ///   - scaling: of latents; nil for images.
  ///   - captions: what becomes of captions, for a denoiser that is told them.
  package func trainingTask(
    imageShape: [Int], scaling: LatentScaling? = nil, captions: CaptionConditioning? = nil
  ) -> any TrainingTask {
    switch task {
    case .diffusion(let section):
      DiffusionTask(
        section.model, section.process, imageShape: imageShape, scaling: scaling, captions: captions,
        seed: training.seed)
    case .autoencoder(let section):
      AutoencoderTask(
        section.model, loss: section.reconstructionLoss, divergenceWeight: section.divergenceWeight,
        imageShape: imageShape, seed: training.seed)
    case .contrastive(let section):
      ContrastiveTask(section.model, imageShape: imageShape, seed: training.seed) {
        [limit = section.model.settings.text.tokenLimit] _ in [Int](repeating: 0, count: limit)
      }
    }
  }
}
