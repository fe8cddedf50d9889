import Checkpoints
import Configuration
import Files
import Foundation
import MPI
import Models
import Safetensors
import Settings
import Tensors
import Text

/// A text encoder with frozen weights and its tokeniser, on every rank: a transformers model, or the text half of a
/// CLIP trained here.
public struct FrozenTextEncoder: Sendable {
  /// The path as given by the user.
  public let path: String
  public let tokenizerPath: String
  public let tokenizer: CLIPTokenizer
  public let model: any TextEncoder
  public let weights: ParameterBuffer
  /// A digest of settings, weights and vocabulary, independent of their path.
  public let digest: String

  /// Reads the weights on rank 0, and sends them to the others. Collective.
  ///
  /// - Parameters:
  ///   - path: a pipeline folder with `text_encoder`, or such a folder itself; a run or a checkpoint of clip.
  ///   - tokenizer: the tokeniser's path; nil selects that in the pipeline folder, or that used by the run.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  public static func load(
    _ path: String, tokenizer: String?, on communicator: Communicator
  ) throws -> FrozenTextEncoder {
    let read = try communicator.agree { communicator.rank == 0 ? try TextEncoderSource(path) : nil }
    let section = try communicator.broadcast(read?.section.json ?? "")
    let ownTokenizer = try communicator.broadcast(read?.tokenizer ?? "")
    let frozen = try communicator.agree {
      let tokenizerPath =
        try tokenizer ?? (ownTokenizer.isEmpty ? Self.tokenizer(beside: path) : ownTokenizer)
      let known = try CLIPTokenizer(path: tokenizerPath)
      let model = try read?.model ?? TextEncoderSource.model(SettingsNode(yaml: section, source: path))
      try PipelineText.requireFit(known, model, path)
      return FrozenTextEncoder(
        path: path, tokenizerPath: tokenizerPath, tokenizer: known, model: model,
        weights: read?.weights ?? ParameterBuffer(count: model.parameters.flatCount),
        digest: try read?.digest(with: known) ?? "")
    }
    try communicator.broadcast(frozen.weights.elements)
    return FrozenTextEncoder(
      path: path, tokenizerPath: frozen.tokenizerPath, tokenizer: frozen.tokenizer, model: frozen.model,
      weights: frozen.weights, digest: try communicator.broadcast(frozen.digest))
  }

  private static func tokenizer(beside path: String) throws -> String {
    let name = PipelineFolder.Name.tokenizer
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
    for folder in ["\(path)/\(name)", "\(parent)/\(name)"] {
      if FileManager.default.fileExists(atPath: folder) { return folder }
    }
    throw ModelFileError(path, "has no tokenizer with it: name one as conditioning.tokenizer")
  }

  /// The description of the encoder in checkpoints.
  public var space: TextSpace { TextSpace(encoder: path, tokenizer: tokenizerPath, digest: digest) }
}

/// Reads a text encoder from a path.
struct TextEncoderSource {
  /// The section `model` of a configuration that describes it.
  let section: SettingsNode
  let model: any TextEncoder
  let weights: ParameterBuffer
  /// The path of its tokeniser, if it was trained here; nil otherwise.
  let tokenizer: String?

  /// - Throws: `ModelFileError`, `SettingsError`, `SafetensorsError`, `CheckpointError`, `FileError`.
  init(_ path: String) throws {
    typealias Name = PipelineFolder.Name
    let isPublished = [Name.index, Name.configuration].contains {
      FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
    guard isPublished else {
      self = try Checkpoint.read(at: path, onDamage: { _ in }) { try TextEncoderSource($0) }
      return
    }
    tokenizer = nil
    let folder = PipelineFolder.isOne(path) ? "\(path)/\(Name.textEncoder)" : path
    section = try PipelineFolder.json("\(folder)/\(Name.configuration)")
      .setting("kind", to: SettingsNode(TextEncoderKind.clipText.rawValue))
    model = try Self.model(section)
    weights = try StateDict.weights(of: model.parameters, in: PipelineFolder.textEncoderFiles(folder))
  }

  /// Reads the text half of a CLIP trained here.
  private init(_ checkpoint: Checkpoint) throws {
    let node = checkpoint.manifest.configuration
    guard case .contrastive(let trained) = try TrainingConfiguration(node).task else {
      throw ModelFileError(checkpoint.directory, "trains no text encoder: a run of clip does")
    }
    section = (node["model.text_config"] ?? .empty)
      .setting("kind", to: SettingsNode(TextEncoderKind.clipText.rawValue))
    model = try Self.model(section)
    tokenizer = trained.tokenizer
    let layout = trained.model.parameters
    let all = try checkpoint.weights(.weights(named: StateSchema.ema), layout: layout)
    let tensors = Dictionary(uniqueKeysWithValues: layout.fileTensors.map { ($0.name, $0) })
    weights = ParameterBuffer(count: model.parameters.flatCount)
    for tensor in model.parameters.fileTensors {
      guard let source = tensors["text_model.\(tensor.name)"] else {
        preconditionFailure("clip has no text_model.\(tensor.name)")
      }
      tensor.import(from: source.exported(from: all.pointer), to: weights.pointer)
    }
  }

  static func model(_ section: SettingsNode) throws -> any TextEncoder {
    let reader = try SettingsReader(section, path: "model")
    let model = try TextEncoderKind.model(reader)
    try reader.finish()
    return model
  }

  /// Settings that affect a text's embedding, in addition to shapes.
  private static let active = ["num_attention_heads", "hidden_act", "layer_norm_eps", "clip_skip"]

  func digest(with tokenizer: CLIPTokenizer) throws -> String {
    let reader = try SettingsReader(section)
    _ = try TextEncoderKind.model(reader)
    let stream = SHA256.Stream()
    for entry in reader.resolved.entries ?? [] where Self.active.contains(entry.key) {
      stream.append(line: "\(entry.key): \(entry.node.json)")
    }
    stream.append(
      line:
        "\(tokenizer.contextLength) \(tokenizer.startToken) \(tokenizer.endToken) \(tokenizer.paddingToken)")
    for id in 0..<tokenizer.vocabularySize { stream.append(line: tokenizer.symbol(of: id) ?? "") }
    stream.append(model.parameters, weights)
    return stream.finish()
  }
}
