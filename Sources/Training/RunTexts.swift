import Checkpoints
import Configuration
import Datasets
import Generation
import Interchange
import MPI
import Models
import Tasks
import Tensors

/// The captions that a run's denoiser is told, and the text encoder that embeds them.
struct RunTexts {
  let frozen: FrozenTextEncoder
  /// The dataset's field of captions.
  let field: Field
  private let dropout: Double
  private let embedded: EmbeddedTexts

  /// Reads the encoder; nil for a run without one. Collective.
  ///
  /// - Throws: `CollectiveFailure` where the dataset has no captions, or the model takes other texts; `MPIError`.
  static func load(
    _ configuration: TrainingConfiguration, _ dataset: ShardedDataset, on communicator: Communicator
  ) throws -> RunTexts? {
    guard case .diffusion(let section) = configuration.task, let text = section.text else { return nil }
    let frozen = try FrozenTextEncoder.load(text.encoder, tokenizer: text.tokenizer, on: communicator)
    return try communicator.agree {
      let field = try RunTask.captions(of: dataset)
      guard let width = section.model.contextWidth, width == frozen.model.width else {
        throw ModelError(
          "\(frozen.path): makes tokens of \(frozen.model.width) numbers, and the model attends to tokens of "
            + "\(section.model.contextWidth ?? 0): set model.cross_attention_dim to \(frozen.model.width)")
      }
      return RunTexts(frozen, field, text)
    }
  }

  private init(_ frozen: FrozenTextEncoder, _ field: Field, _ settings: TaskSettings.TextSection) {
    self.frozen = frozen
    self.field = field
    dropout = settings.dropout
    embedded = EmbeddedTexts(
      TextEmbedding(
        tokenizer: frozen.tokenizer, encoder: frozen.model, weights: frozen.weights, chunks: settings.chunks))
  }

  /// What training does with them.
  var conditioning: CaptionConditioning {
    CaptionConditioning(shape: embedded.shape, dropout: dropout) { [embedded] text, engine in
      embedded.context(of: text, engine: engine)
    }
  }

  /// What previews are drawn of.
  ///
  /// - Parameter texts: of the images, in turn.
  func prompts(_ texts: [String], engine: Engine) -> SamplePrompts {
    SamplePrompts(
      texts, negative: "", contexts: (texts + [""]).map { embedded.context(of: $0, engine: engine) },
      shape: embedded.shape)
  }

  /// Throws unless a checkpoint was trained with these texts.
  func requireSame(as checkpoint: Checkpoint) throws {
    try checkpoint.manifest.texts?.require(frozen.digest, of: frozen.path, for: checkpoint.directory)
  }
}
