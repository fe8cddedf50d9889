import Checkpoints
import Configuration
import DataParallel
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

  /// Reads the encoder, whose weights are stored once per host. Collective.
  ///
  /// - Parameters:
  ///   - path: a pipeline folder with `text_encoder`, or such a folder itself; a run or a checkpoint of clip, or one that
  ///     has changed its text encoder.
  ///   - tokenizer: the tokeniser's path; nil selects that in the pipeline folder, or that used by the run.
  ///   - known: the network that the path is known to hold; nil makes the one that it describes.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  public static func load(
    _ path: String, tokenizer: String?, as known: (any TextEncoder)? = nil, on communicator: Communicator
  ) throws -> FrozenTextEncoder {
    let described = try communicator.agree {
      communicator.rank == 0 ? try TextEncoderSource.Description(path) : nil
    }
    let section = try communicator.broadcast(described?.section.json ?? "")
    let ownTokenizer = try communicator.broadcast(described?.tokenizer ?? "")
    let (tokenizerPath, vocabulary, model) = try communicator.agree {
      let tokenizerPath =
        try tokenizer ?? (ownTokenizer.isEmpty ? Self.tokenizer(beside: path) : ownTokenizer)
      let vocabulary = try CLIPTokenizer(path: tokenizerPath)
      let model = try known ?? TextEncoderSource.model(SettingsNode(yaml: section, source: path))
      try PipelineText.requireFit(vocabulary, model, path)
      return (tokenizerPath, vocabulary, model)
    }
    var own: String?
    let weights = try FrozenWeights(count: model.parameters.flatCount, on: communicator) { memory in
      let source = try TextEncoderSource(path)
      guard source.model.parameters.fileTensors.map(\.shape) == model.parameters.fileTensors.map(\.shape)
      else { throw ModelFileError(path, "is another text encoder than that of the configuration") }
      memory.copy(from: source.weights)
      own = try source.digest(with: vocabulary)
    }
    let digests = try communicator.allGather(own ?? "")
    try communicator.agree {
      guard own == nil || own == digests[0] else {
        throw ModelFileError(
          path, "is another text encoder on \(communicator.hostName) than where rank 0 runs")
      }
    }
    return FrozenTextEncoder(
      path: path, tokenizerPath: tokenizerPath, tokenizer: vocabulary, model: model, weights: weights.memory,
      digest: digests[0])
  }

  /// Completes a configuration that trains something of its text encoder: the section `text_encoder` may be omitted.
  ///
  /// - Throws: `ModelFileError` if the section exists but describes another encoder than `conditioning.text_encoder`
  ///   names; errors of reading that.
  public static func completing(_ configuration: SettingsNode) throws -> SettingsNode {
    let key = TextEncoderSection.key
    guard TextEncoderSection.isNeeded(by: configuration),
      case .scalar(let path)? = configuration["conditioning.text_encoder"]?.content, !path.text.isEmpty
    else { return configuration }
    guard let own = configuration.section(at: key) else { return configuration }
    let section = try TextEncoderSource.Description(path.text).section
    guard !(own.entries ?? []).isEmpty else {
      return configuration.setting(key, to: section)
    }
    let differences = SettingsNode.differences(
      try TextEncoderSource.computing(own), try TextEncoderSource.computing(section))
    guard differences.isEmpty else {
      throw ModelFileError(
        path.text,
        "is another text encoder than that of the configuration: "
          + differences.map { "\($0)" }.joined(separator: "; "))
    }
    return configuration
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

  /// What a path says of its text encoder, without the weights.
  struct Description {
    /// The section `model` of a configuration that describes it.
    let section: SettingsNode
    /// The path of its tokeniser, if it was trained here; nil otherwise.
    let tokenizer: String?
    /// The encoder that a run with captions has started with and changed; nil for others.
    let changed: TextSpace?

    /// - Throws: as `TextEncoderSource.init`.
    init(_ path: String) throws {
      guard let folder = TextEncoderSource.publishedFolder(path) else {
        self = try Checkpoint.read(at: path, onDamage: { _ in }) { try Description($0) }
        return
      }
      (tokenizer, changed) = (nil, nil)
      section = try PipelineFolder.json("\(folder)/\(PipelineFolder.Name.configuration)")
        .setting("kind", to: SettingsNode(TextEncoderKind.clipText.rawValue))
    }

    /// Describes the text half of a CLIP trained here, or the text encoder that a run has changed.
    init(_ checkpoint: Checkpoint) throws {
      let node = checkpoint.manifest.configuration
      let configuration = try TrainingConfiguration(node)
      if case .contrastive(let trained) = configuration.task {
        section = (node["model.text_config"] ?? .empty)
          .setting("kind", to: SettingsNode(TextEncoderKind.clipText.rawValue))
        (tokenizer, changed) = (trained.tokenizer, nil)
        return
      }
      guard let texts = checkpoint.manifest.texts, let own = node[TextEncoderSection.key] else {
        throw ModelFileError(
          checkpoint.directory,
          "trains no text encoder: a run of clip does, and one with conditioning.train_text_encoder or adapter.text_encoder"
        )
      }
      section = own
      (tokenizer, changed) = (texts.tokenizer, texts)
    }
  }

  /// - Throws: `ModelFileError`, `SettingsError`, `SafetensorsError`, `CheckpointError`, `FileError`.
  init(_ path: String) throws {
    guard let folder = Self.publishedFolder(path) else {
      self = try Checkpoint.read(at: path, onDamage: { _ in }) { checkpoint in
        let description = try Description(checkpoint)
        let member = StateMember.weights(named: StateSchema.ema)
        return try description.changed.map { try TextEncoderSource(of: checkpoint, $0, weights: member) }
          ?? TextEncoderSource(half: description.section, of: checkpoint, weights: member)
      }
      return
    }
    section = try Description(path).section
    model = try Self.model(section)
    weights = try StateDict.weights(of: model.parameters, in: PipelineFolder.textEncoderFiles(folder))
  }

  /// The folder of a published text encoder; nil if the path is a run or a checkpoint.
  private static func publishedFolder(_ path: String) -> String? {
    typealias Name = PipelineFolder.Name
    let isPublished = [Name.index, Name.configuration].contains {
      FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
    guard isPublished else { return nil }
    return PipelineFolder.isOne(path) ? "\(path)/\(Name.textEncoder)" : path
  }

  /// Reads the text half of a CLIP trained here.
  private init(half section: SettingsNode, of checkpoint: Checkpoint, weights member: StateMember) throws {
    self.section = section
    model = try Self.model(section)
    let layout = try TrainingConfiguration(checkpoint.manifest.configuration).model.parameters
    let all = try checkpoint.weights(member, layout: layout)
    let tensors = Dictionary(uniqueKeysWithValues: layout.fileTensors.map { ($0.name, $0) })
    weights = ParameterBuffer(count: model.parameters.flatCount)
    for tensor in model.parameters.fileTensors {
      guard let source = tensors["text_model.\(tensor.name)"] else {
        preconditionFailure("clip has no text_model.\(tensor.name)")
      }
      tensor.import(from: source.exported(from: all.pointer), to: weights.pointer)
    }
  }

  /// Reads the text encoder of a run with captions, with the run's changes of it, if there are any.
  ///
  /// - Throws: as `init`; `CheckpointError` if the encoder that the run has started from has changed since.
  init(of checkpoint: Checkpoint, _ texts: TextSpace, weights member: StateMember) throws {
    self = try TextEncoderSource(texts.encoder)
    let tokenizer = try CLIPTokenizer(path: texts.tokenizer)
    try texts.require(digest(with: tokenizer), of: texts.encoder, for: checkpoint.directory)
    let configuration = try TrainingConfiguration(checkpoint.manifest.configuration)
    guard configuration.changedEncoder != nil else { return }
    try configuration.change(
      weights, by: checkpoint.weights(member, layout: configuration.trainedParameters))
  }

  static func model(_ section: SettingsNode) throws -> any TextEncoder {
    let reader = try SettingsReader(section, path: "model")
    let model = try TextEncoderKind.model(reader)
    try reader.finish()
    return model
  }

  /// Settings that affect a text's embedding, in addition to shapes.
  private static let active = ["num_attention_heads", "hidden_act", "layer_norm_eps", "clip_skip"]
  private static let shapes = [
    "vocab_size", "max_position_embeddings", "hidden_size", "intermediate_size", "num_hidden_layers",
  ]

  /// The settings of a section that affect a text's embedding, with their values.
  ///
  /// - Throws: `SettingsError`.
  static func computing(_ section: SettingsNode) throws -> SettingsNode {
    let reader = try SettingsReader(section, path: TextEncoderSection.key)
    _ = try TextEncoderKind.model(reader)
    return SettingsNode(
      .section((reader.resolved.entries ?? []).filter { (shapes + active).contains($0.key) }))
  }

  func digest(with tokenizer: CLIPTokenizer) throws -> String {
    let stream = SHA256.Stream()
    for entry in try Self.computing(section).entries ?? [] where Self.active.contains(entry.key) {
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
