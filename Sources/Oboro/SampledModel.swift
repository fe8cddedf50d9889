import Checkpoints
import Configuration
import Datasets
import Diffusion
import Files
import Foundation
import Generation
import Interchange
import Kernels
import MPI
import Models
import Settings
import Tensors
import Text

/// The model of `oboro sample`, on every rank: a run's checkpoint, or a diffusers pipeline folder.
struct SampledModel {
  let model: any Denoiser
  let plan: SamplingPlan
  /// [H, W, C] of the model's output.
  let shape: [Int]
  /// Whether other sizes can be drawn too.
  let drawsOtherSizes: Bool
  let classNames: [String]
  let weights: ParameterBuffer
  /// The precision of matrix products: as in training.
  var precision = ProductPrecision.float32
  /// The SHA-256 of the weight file, on rank 0; nil for a checkpoint, whose weights are not in a separate file.
  let weightsDigest: String?
  /// The field of the images; nil for pictures.
  let field: Field?
  let prompts: SamplePrompts?
  /// The condition fields of the model, and whether it was also trained without them; nil for none.
  var conditions: (fields: [Field], canBeLeftOut: Bool)?
  /// Decodes the output of a model of latents.
  let decoder: LatentDecoder?
  /// The pipeline's control networks.
  var controls: [ControlOptions.Network] = []
  /// Notes for the user on how it was read, on rank 0.
  var notes: [String] = []

  /// Collective.
  ///
  /// - Parameters:
  ///   - path: a checkpoint, a run directory, or a folder with `model_index.json`.
  ///   - weights: the name of a checkpoint's weights or of an average.
  ///   - adapters: adapters to merge into the weights.
  ///   - overrides: `sampling.KEY=VALUE`.
  ///   - autoencoder: the current path of the autoencoder for a denoiser of latents; nil selects the path used in
  ///     training.
  ///   - onDamage: called with damaged checkpoints, which are skipped.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  static func load(
    _ path: String, weights: String, adapters: [AdapterSource] = [], overrides: [String],
    prompts: PromptRequest, control: ControlOptions? = nil, autoencoder: String? = nil, engine: Engine,
    on communicator: Communicator, onDamage: (CheckpointError) -> Void
  ) throws -> SampledModel {
    var model = try load(
      path, weights: weights, adapters: adapters, overrides: overrides, prompts: prompts,
      autoencoder: autoencoder, engine: engine, on: communicator, onDamage: onDamage)
    if let control { model.controls += try control.load(for: model.model, on: communicator) }
    return model
  }

  private static func load(
    _ path: String, weights: String, adapters: [AdapterSource], overrides: [String], prompts: PromptRequest,
    autoencoder: String?, engine: Engine, on communicator: Communicator,
    onDamage: (CheckpointError) -> Void
  ) throws -> SampledModel {
    if PipelineFolder.isOne(path) {
      var notes: [String] = []
      var model = try load(
        folder: path, adapters: adapters, overrides: overrides, prompts: prompts, engine: engine,
        on: communicator, tell: { if communicator.rank == 0 { notes.append($0) } })
      model.notes = notes
      return model
    }
    let trained = try TrainedModel.load(
      path, weights: weights, overrides: overrides, on: communicator, onDamage: onDamage)
    let decoder = try trained.decoder(autoencoder, engine: engine, on: communicator)
    var notes: [String] = []
    let own = trained.denoiserWeights ?? trained.weights
    let denoiser = try communicator.agree {
      guard let model = trained.configuration.model.denoiser else {
        return try trained.configuration.requireDiffusion().model
      }
      guard communicator.rank == 0 else { return model }
      try AdapterSource.merge(
        adapters, into: own, of: model.parameters,
        besides: trained.manifest.texts == nil ? [] : [.textEncoder]
      ) { notes.append($0) }
      return model
    }
    if !adapters.isEmpty { try communicator.broadcast(own.elements) }
    var controls: [ControlOptions.Network] = []
    if case .control(let section) = trained.configuration.task {
      controls.append((section.network, trained.weights))
    }
    let (texts, textNotes) = try Self.texts(
      of: trained, prompts, adapters: adapters, engine: engine, on: communicator)
    return try communicator.agree {
      SampledModel(
        model: denoiser, plan: try trained.configuration.samplingPlan(), shape: trained.manifest.imageShape,
        drawsOtherSizes: false, classNames: trained.manifest.classNames, weights: own,
        precision: trained.configuration.training.precision, weightsDigest: nil,
        field: try trained.manifest.imageField, prompts: texts,
        conditions: try trained.conditions, decoder: decoder,
        controls: controls, notes: notes + textNotes)
    }
  }

  /// The prompts of a model trained with captions; nil for one without text conditioning. Collective.
  private static func texts(
    of trained: TrainedModel, _ request: PromptRequest, adapters: [AdapterSource], engine: Engine,
    on communicator: Communicator
  ) throws -> (SamplePrompts?, notes: [String]) {
    let (space, prompts, chunks) = try communicator.agree {
      let space = trained.manifest.texts
      let prompts = try request.prompts(readsTexts: space != nil, "the model of \(trained.path)")
      guard request.clipSkip == 0 else { throw ModelError("--clip-skip is of diffusers' pipelines") }
      return (space, prompts, trained.configuration.task.diffusion?.text?.chunks ?? 1)
    }
    guard let space, let prompts else { return (nil, []) }
    let frozen = try FrozenTextEncoder.load(
      space.encoder, tokenizer: space.tokenizer, as: trained.configuration.changedEncoder,
      on: communicator)
    try communicator.agree { try space.require(frozen.digest, of: frozen.path, for: trained.path) }
    var notes: [String] = []
    let texts = try embed(
      prompts, frozen.tokenizer, encoders: (frozen.model, frozen.model),
      weights: {
        // Only rank 0 embeds, so that no other rank sees the changes of memory that ranks may share.
        if let own = trained.textWeights { try trained.configuration.change(frozen.weights, by: own) }
        try mergeText(adapters, into: frozen.weights, of: frozen.model)
        return frozen.weights
      },
      words: trained.words, chunks: chunks, engine: engine, on: communicator
    ) { notes.append($0) }
    return (texts, notes)
  }

  private static func load(
    folder path: String, adapters: [AdapterSource], overrides: [String], prompts request: PromptRequest,
    engine: Engine, on communicator: Communicator, tell: (String) -> Void
  ) throws -> SampledModel {
    let (folder, plan) = try communicator.agree {
      let folder = try PipelineFolder(path, skippedLayers: request.clipSkip)
      if !folder.unused.isEmpty { tell("not used: \(folder.unused.joined(separator: ", "))") }
      return (folder, try Self.plan(folder, overrides, tell))
    }
    let prompts = try communicator.agree {
      try request.prompts(readsTexts: folder.text != nil, "the pipeline \(path)")
    }
    // Rank 0 reads the weights and sends them to the others.
    func shared(_ count: Int, _ read: () throws -> ParameterBuffer) throws -> ParameterBuffer {
      let weights = try communicator.agree {
        communicator.rank == 0 ? try read() : ParameterBuffer(count: count)
      }
      try communicator.broadcast(weights.elements)
      return weights
    }
    let embedded = try folder.text.flatMap { text in prompts.map { (text, $0) } }.map { text, prompts in
      if let note = text.note { tell(note) }
      return try embed(
        prompts, text.tokenizer, encoders: (text.promptEncoder, text.encoder),
        weights: {
          let weights = try folder.weights(of: text)
          try mergeText(adapters, into: weights, of: text.encoder)
          return weights
        }, engine: engine, on: communicator, tell: tell)
    }
    let layout = folder.model.parameters
    let weights = try shared(layout.flatCount) {
      let weights = try folder.weights()
      try AdapterSource.merge(
        adapters, into: weights, of: layout, besides: folder.text == nil ? [] : [.textEncoder], tell: tell)
      return weights
    }
    let decoder = try folder.autoencoder.map { autoencoder in
      LatentDecoder(
        autoencoder,
        weights: try shared(autoencoder.parameters.flatCount) { try folder.weights(of: autoencoder) },
        engine: engine)
    }
    var controls: [ControlOptions.Network] = []
    if let network = folder.control {
      controls.append(
        (network, try shared(network.parameters.flatCount) { try folder.weights(of: network) }))
    }
    let digest = try communicator.agree { communicator.rank == 0 ? try folder.weightsDigest() : nil }
    return SampledModel(
      model: folder.model, plan: plan, shape: folder.shape, drawsOtherSizes: true, classNames: [],
      weights: weights, weightsDigest: digest, field: nil, prompts: embedded, decoder: decoder,
      controls: controls)
  }

  /// Merges what adapters change of a text encoder into its weights.
  private static func mergeText(
    _ adapters: [AdapterSource], into weights: ParameterBuffer, of encoder: any TextEncoder
  ) throws {
    // Notes are reported for the denoiser.
    try AdapterSource.merge(
      adapters, into: weights, of: encoder.parameters, .textEncoder, besides: [.denoiser]
    ) { _ in }
  }

  /// The folder's sampling plan: from its scheduler, except where `overrides` apply.
  private static func plan(
    _ folder: PipelineFolder, _ overrides: [String], _ tell: (String) -> Void
  ) throws -> SamplingPlan {
    let key = "sampling.guidance="
    let isGuided = folder.text == nil || overrides.contains { $0.hasPrefix(key) }
    let reader = try SettingsReader(
      SettingsNode.empty.applying(
        overrides: overrides + (isGuided ? [] : ["\(key)\(PromptOptions.guidance)"])))
    let options = try SamplingOptions(reader.section("sampling"))
    try reader.finish()
    let scheduler = try folder.scheduler(for: options.sampler)
    if let note = scheduler.note { tell(note) }
    return try folder.samplingPlan(options, scheduler)
  }
}

extension SampledModel {
  /// The embedded prompts for cross-attention: computed on rank 0 and broadcast. Collective.
  ///
  /// - Parameters:
  ///   - encoders: for prompts, and for the negative one.
  ///   - weights: of both encoders, on rank 0.
  ///   - own: words learned by the model, on rank 0.
  ///   - chunks: the number per text used in training; increased for longer prompts if these are allowed.
  static func embed(
    _ prompts: Prompts, _ tokenizer: CLIPTokenizer,
    encoders: (prompt: any TextEncoder, negative: any TextEncoder), weights: () throws -> ParameterBuffer,
    words own: [LearnedWord] = [], chunks: Int = 1, engine: Engine, on communicator: Communicator,
    tell: (String) -> Void
  ) throws -> SamplePrompts {
    let negative = prompts.negative ?? ""
    let longest = (prompts.texts + [negative]).map { tokenizer.chunks(of: $0).count }.max() ?? 1
    let chunks = prompts.mayBeLong ? max(chunks, longest) : chunks
    let shape = [chunks * tokenizer.contextLength, encoders.negative.width]
    let own: [Float] = try communicator.agree {
      guard communicator.rank == 0 else { return [] }
      let weights = try weights()
      let words = try prompts.words(besides: own, width: encoders.negative.width)
      var contexts: [Float] = []
      // Repeated texts are embedded once.
      var known: [[UInt8]: [Float]] = [:]
      for (text, encoder) in prompts.texts.map({ ($0, encoders.prompt) }) + [(negative, encoders.negative)] {
        let isPrompt = contexts.count < prompts.texts.count * shape.reduce(1, *)
        if isPrompt, let context = known[Array(text.utf8)] {
          contexts += context
          continue
        }
        let embedding = TextEmbedding(
          tokenizer: tokenizer, encoder: encoder,
          weights: PassWeights(weights, of: encoder.parameters.set), words: words, chunks: chunks)
        let (context, cut) = embedding(text, engine: engine)
        contexts += context
        known[Array(text.utf8)] = context
        if cut > 0 {
          tell(
            "the prompt \"\(text.prefix(40))...\" is too long: its last \(cut) tokens are cut off, "
              + "\(chunks * (tokenizer.contextLength - 2)) remain; --long-prompts takes all of it")
        }
      }
      return contexts
    }
    let all = try communicator.broadcast(own)
    let size = shape.reduce(1, *)
    return SamplePrompts(
      prompts.texts, negative: negative,
      contexts: stride(from: 0, to: all.count, by: size).map { Array(all[$0..<$0 + size]) }, shape: shape)
  }
}

extension TrainedModel {
  /// The condition fields of the model; nil for none.
  ///
  /// - Throws: `ModelError` for a checkpoint that does not describe them.
  fileprivate var conditions: (fields: [Field], canBeLeftOut: Bool)? {
    get throws {
      guard case .diffusion(let section) = configuration.task, let fields = section.fields else { return nil }
      let described = try manifest.seenFields
      guard described.map(\.name) == fields.names else {
        throw ModelError(
          "\(path): was made of weights from elsewhere, and does not say what the fields are that its model sees: train it "
            + "for a step")
      }
      return (described, fields.dropout > 0)
    }
  }
}

extension CheckpointManifest {
  /// The field of the images that a model draws; nil for pictures.
  ///
  /// - Throws: `ModelError` for an invalid description.
  var imageField: Field? {
    get throws {
      try field.map { try described($0, as: "image_field") }
    }
  }

  /// The condition fields of a denoiser.
  ///
  /// - Throws: `ModelError` for an invalid description.
  var seenFields: [Field] {
    get throws { try conditionFields.map { try described($0, as: "condition_fields") } }
  }

  private func described(_ field: SettingsNode, as key: String) throws -> Field {
    do {
      return try JSONDecoder().decode(Field.self, from: Data(field.json.utf8))
    } catch is DecodingError {
      throw ModelError("the checkpoint of step \(step) does not say what its fields are: \(key) is no field")
    }
  }
}
