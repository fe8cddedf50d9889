import Checkpoints
import Configuration
import Datasets
import Generation
import Interchange
import MPI
import Models
import Tasks
import Tensors

/// The captions that condition a run's denoiser, and the text encoder that embeds them.
struct RunTexts {
  let frozen: FrozenTextEncoder
  /// The dataset's caption field; nil if all images have the same caption.
  let field: Field?
  private let settings: TaskSettings.TextSection
  private let embedded: EmbeddedTexts
  /// The word being trained, if any.
  private let inversion: InversionSection?
  /// The adapter being trained, if it changes the encoder.
  private let adapter: AdapterSection?
  /// The encoder being trained itself, if it is.
  private let trained: TaskSettings.TrainedText?

  /// Loads the encoder; nil for a run without one. Collective.
  ///
  /// - Throws: `CollectiveFailure` if the dataset has no captions or the model expects another embedding width;
  ///   `MPIError`.
  static func load(
    _ configuration: TrainingConfiguration, _ dataset: ShardedDataset, on communicator: Communicator
  ) throws -> RunTexts? {
    guard let section = configuration.task.diffusion, let text = section.text else { return nil }
    let frozen = try FrozenTextEncoder.load(
      text.encoder, tokenizer: text.tokenizer, as: configuration.changedEncoder, on: communicator)
    return try communicator.agree {
      let inversion = configuration.inversion
      let field = inversion?.template == nil ? try RunTask.captions(of: dataset) : nil
      if let word = inversion?.table.word, let field { try Self.require(word, in: field, of: dataset) }
      guard let width = section.model.contextWidth, width == frozen.model.width else {
        throw ModelError(
          "\(frozen.path): makes tokens of \(frozen.model.width) numbers, and the model attends to tokens of "
            + "\(section.model.contextWidth ?? 0): set model.cross_attention_dim to \(frozen.model.width)")
      }
      return RunTexts(
        frozen, field, text, inversion, configuration.adapter.flatMap { $0.text == nil ? nil : $0 },
        section.trainedText)
    }
  }

  /// Throws unless at least one caption contains the word.
  private static func require(_ word: String, in field: Field, of dataset: ShardedDataset) throws {
    let place = try dataset.index(of: field.name)
    for index in 0..<dataset.count {
      if try dataset.text(index, field: place).contains(where: { $0.contains(word) }) { return }
    }
    throw ModelError(
      "\(dataset.directory): none of its captions has the word \(word): set inversion.template to say it of each image"
    )
  }

  private init(
    _ frozen: FrozenTextEncoder, _ field: Field?, _ settings: TaskSettings.TextSection,
    _ inversion: InversionSection?, _ adapter: AdapterSection?, _ trained: TaskSettings.TrainedText?
  ) {
    self.frozen = frozen
    self.field = field
    self.settings = settings
    self.inversion = inversion
    self.adapter = adapter
    self.trained = trained
    embedded = EmbeddedTexts(
      TextEmbedding(
        tokenizer: frozen.tokenizer, encoder: frozen.model,
        weights: PassWeights(frozen.weights, of: frozen.model.parameters.set), chunks: settings.chunks))
  }

  /// Whether embeddings are the same in every step.
  private var isFrozen: Bool { inversion == nil && adapter == nil && trained == nil }

  /// How captions condition training: embedded once if that is the same in every step, otherwise on the tape of each
  /// micro-batch.
  var conditioning: CaptionConditioning {
    guard !isFrozen else {
      return CaptionConditioning(shape: embedded.shape, dropout: settings.dropout) {
        [embedded] text, engine in embedded.context(of: text, engine: engine)
      }
    }
    let table = inversion?.table
    let tokens = TextTokens(
      frozen.tokenizer, trained?.encoder ?? frozen.model, words: table.map { [($0.word, $0.shape[0])] } ?? [],
      chunks: settings.chunks)
    return CaptionConditioning(dropout: settings.dropout, template: inversion?.template) { texts, tape in
      tokens.encoded(texts, words: table.map { $0(on: tape) }, on: tape)
    }
  }

  /// The encoder's frozen parameters, to bind to a tape.
  var bound: BoundParameters { BoundParameters(frozen.model.parameters.set, weights: frozen.weights) }

  /// The initial vectors of a word: the embeddings of the tokens of `initial`, repeated as needed.
  ///
  /// - Throws: `ModelError` for a text without tokens, or if the encoder's width differs from the word's.
  func beginning(_ inversion: InversionSection) throws -> [[Float]] {
    let tokens = frozen.tokenizer.ids(of: inversion.initial)
    guard !tokens.isEmpty else {
      throw ModelError("inversion.initial: \"\(inversion.initial)\" has no tokens of \(frozen.tokenizerPath)")
    }
    return (0..<inversion.table.shape[0]).map {
      frozen.model.embedding(of: tokens[$0 % tokens.count], frozen.weights)
    }
  }

  /// Initialises the weights of an encoder that is trained together with the denoiser.
  ///
  /// - Parameter weights: those of both networks.
  func begin(_ weights: ParameterBuffer) { trained?.set(frozen.weights, in: weights) }

  /// The prompts of previews.
  ///
  /// - Parameters:
  ///   - texts: one per image.
  ///   - weights: the trained weights, of the encoder or of a word or an adapter of it if it is not all frozen.
  func prompts(_ texts: [String], weights: ParameterBuffer, engine: Engine) -> SamplePrompts {
    func prompts(_ context: (String) -> [Float]) -> SamplePrompts {
      SamplePrompts(texts, negative: "", contexts: (texts + [""]).map(context), shape: embedded.shape)
    }
    guard !isFrozen else {
      return prompts { embedded.context(of: $0, engine: engine) }
    }
    let adapter = adapter?.joint
    let own = adapter.map { [BoundParameters($0.parameters.set, weights: weights)] } ?? []
    let embedding = TextEmbedding(
      tokenizer: frozen.tokenizer, encoder: trained?.encoder ?? frozen.model,
      weights: trained.map { PassWeights(weights, of: $0.encoder.parameters.set) }
        ?? PassWeights(sets: own + [bound], adaptation: adapter),
      words: inversion.map { [LearnedWord($0.table.word, vectors: $0.table.values(weights))] } ?? [],
      chunks: settings.chunks)
    return prompts { embedding($0, engine: engine).context }
  }

  /// Throws unless a checkpoint was trained with these texts.
  func requireSame(as checkpoint: Checkpoint) throws {
    try checkpoint.manifest.texts?.require(frozen.digest, of: frozen.path, for: checkpoint.directory)
  }
}
