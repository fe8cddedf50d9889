import Checkpoints
import Configuration
import Files
import Foundation
import MPI
import Models
import Settings
import Tensors
import Text

/// A CLIP with frozen weights and its tokeniser, on every rank: a transformers model, or trained here.
public struct FrozenCLIP: Sendable {
  /// The path as given by the user.
  public let path: String
  public let model: CLIP
  public let weights: ParameterBuffer
  public let tokenizer: CLIPTokenizer
  /// The file that describes how to prepare pictures; nil for a CLIP trained here.
  public let preparationFile: String?

  private static let preparation = "preprocessor_config.json"

  /// Reads the weights on rank 0, and sends them to the others. Collective.
  ///
  /// - Parameter path: a transformers folder with the `config.json` of a `CLIPModel`, its weights and its tokeniser; a
  ///   run or a checkpoint of clip.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  public static func load(_ path: String, on communicator: Communicator) throws -> FrozenCLIP {
    let isPublished = try communicator.agree {
      FileManager.default.fileExists(atPath: "\(path)/\(PipelineFolder.Name.configuration)")
    }
    let source: Source? = try communicator.agree {
      guard communicator.rank == 0 else { return nil }
      return isPublished
        ? try Source(folder: path) : try Checkpoint.read(at: path, onDamage: { _ in }) { try Source($0) }
    }
    let section = try communicator.broadcast(source?.section.json ?? "")
    let tokenizerPath = try communicator.broadcast(source?.tokenizer ?? "")
    let frozen = try communicator.agree {
      let model = try source?.model ?? Source.model(SettingsNode(yaml: section, source: path))
      let tokenizer = try CLIPTokenizer(path: tokenizerPath)
      let text = model.settings.text
      guard tokenizer.vocabularySize <= text.vocabularySize, tokenizer.contextLength <= text.tokenLimit else {
        throw ModelFileError(
          tokenizerPath,
          "does not belong to \(path): it has \(tokenizer.vocabularySize) tokens and makes \(tokenizer.contextLength) of a "
            + "text, and the text transformer knows \(text.vocabularySize) and takes \(text.tokenLimit)")
      }
      return FrozenCLIP(
        path: path, model: model,
        weights: source?.weights ?? ParameterBuffer(count: model.parameters.flatCount), tokenizer: tokenizer,
        preparationFile: isPublished ? "\(path)/\(preparation)" : nil)
    }
    try communicator.broadcast(frozen.weights.elements)
    return frozen
  }

  /// The content of `preparationFile`; nil if there is none, so that the processor's defaults apply.
  ///
  /// - Throws: `FileError`.
  public func preparation() throws -> [UInt8]? {
    guard let preparationFile, FileManager.default.fileExists(atPath: preparationFile) else { return nil }
    return try WholeFile.read(preparationFile)
  }

  /// Reads a CLIP from a path.
  private struct Source {
    /// The section `model` of a configuration that describes it.
    let section: SettingsNode
    let model: CLIP
    let weights: ParameterBuffer
    let tokenizer: String

    /// Reads a transformers folder.
    init(folder: String) throws {
      typealias Name = PipelineFolder.Name
      section = try PipelineFolder.json("\(folder)/\(Name.configuration)")
        .setting("kind", to: SettingsNode(ContrastiveKind.clip.rawValue))
      model = try Self.model(section)
      tokenizer = folder
      weights = try StateDict.weights(
        of: model.parameters,
        in: ComponentWeights(folder: folder, stem: Name.textWeights) { name in
          // Files from before version 5 contain position indices.
          name.hasSuffix(".embeddings.position_ids") ? nil : name
        })
    }

    /// Reads a checkpoint.
    init(_ checkpoint: Checkpoint) throws {
      let node = checkpoint.manifest.configuration
      guard case .contrastive(let trained) = try TrainingConfiguration(node).task else {
        throw ModelFileError(
          checkpoint.directory, "trains no clip: --clip names a run with training.task: contrastive")
      }
      section = node[BaseModel.sectionKey] ?? .empty
      model = trained.model
      tokenizer = trained.tokenizer
      weights = try checkpoint.weights(
        .weights(named: StateSchema.ema), layout: trained.model.parameters)
    }

    static func model(_ section: SettingsNode) throws -> CLIP {
      let reader = try SettingsReader(section, path: BaseModel.sectionKey)
      let model = try ContrastiveKind.model(reader)
      try reader.finish()
      return model
    }
  }
}
