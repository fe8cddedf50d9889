import Checkpoints
import Configuration
import Datasets
import Files
import Foundation
import Layers
import Models
import Safetensors
import Settings
import Tensors

/// Converts weights from checkpoints to PyTorch, and from PyTorch to checkpoints.
public enum Conversion {
  /// Metadata keys of our files. PyTorch programs read the first, `oboro check` the second; the others allow the file
  /// to be converted back to a checkpoint.
  private enum Key {
    static let format = "format"
    static let model = "model"
    static let configuration = "configuration"
    static let imageShape = "image_shape"
    static let classNames = "class_names"
    static let step = "step"
    static let weights = "weights"
  }

  /// The key of the model's section in a complete configuration.
  private static let modelSection = "model"

  /// Writes the weights of a checkpoint to a safetensors file, as PyTorch's state dict; for an adapter's run, the
  /// base's weights with the adapter merged; for a run that trains a word, the word.
  ///
  /// - Throws: `FileError`, `CheckpointError`, `HDF5Error`.
  public static func export(
    _ checkpoint: Checkpoint, weights which: StateMember, to path: String
  ) throws {
    let configuration = try TrainingConfiguration(checkpoint.manifest.configuration)
    guard configuration.inversion == nil else {
      return try LearnedWords.export(checkpoint, weights: which, to: path)
    }
    try requireAlone(configuration, checkpoint.directory)
    try write(
      try checkpoint.modelWeights(which, configuration), named: which.name, of: checkpoint.manifest, to: path)
  }

  /// Throws if the run trains something of its text encoder, which a file of the denoiser would lack.
  ///
  /// - Parameter path: of the run or checkpoint.
  static func requireAlone(_ configuration: TrainingConfiguration, _ path: String) throws {
    guard configuration.changedEncoder == nil else {
      throw ModelFileError(
        path,
        "changes its text encoder as well, and this file would hold the denoiser alone: --format diffusers makes a folder "
          + "of both, of an adapter with --merge")
    }
  }

  /// Writes weights of the model of `manifest` as PyTorch's state dict.
  static func write(
    _ weights: ParameterBuffer, named name: String, of manifest: CheckpointManifest, to path: String
  ) throws {
    let layout = try TrainingConfiguration(manifest.configuration).model.parameters
    var file = SafetensorsWriter(metadata: [
      Key.format: "pt",
      Key.model: (manifest.configuration[modelSection] ?? .empty).json,
      Key.configuration: manifest.describedConfiguration.withoutAdapter.json,
      Key.imageShape: SettingsNode(manifest.imageShape).json,
      Key.classNames: SettingsNode(manifest.classNames).json,
      Key.step: String(manifest.step),
      Key.weights: name,
    ])
    StateDict.add(layout, from: weights, batches: manifest.step, to: &file)
    try file.write(to: path)
  }

  /// Makes a checkpoint from the weights in a safetensors file: before the first step, without moments, and with
  /// averages equal to the weights.
  ///
  /// - Parameters:
  ///   - configuration: of the model and of its training; nil selects that in the file's metadata.
  ///   - size: height and width of the images; nil selects those of the metadata, the model or the dataset.
  ///   - directory: the checkpoint, which must not exist yet.
  /// - Throws: `ModelFileError` naming tensors that are missing, unused or of another shape, or other missing
  ///   information; `SafetensorsError`, `SettingsError`, `FileError`, `HDF5Error`.
  public static func makeCheckpoint(
    from path: String, configuration: SettingsNode?, size: (height: Int, width: Int)?, in directory: String
  ) throws {
    let file = try SafetensorsFile(path: path)
    let resolved = try TrainingConfiguration(
      configuration.map(Self.completed) ?? Self.configuration(file))
    try makeCheckpoint(
      of: resolved, from: file, imageShape: { try imageShape(file.path, file.metadata, resolved, size) },
      classNames: { try classNames(file) }, in: directory)
  }

  /// Makes a checkpoint from the denoiser of a pipeline folder.
  ///
  /// - Throws: as the other overload.
  public static func makeCheckpoint(
    from folder: PipelineFolder, configuration: SettingsNode?, size: (height: Int, width: Int)?,
    in directory: String
  ) throws {
    let resolved = try TrainingConfiguration(configuration ?? folder.trainingConfiguration())
    let shape = [
      size?.height ?? folder.shape[0], size?.width ?? folder.shape[1], resolved.model.imageChannels,
    ]
    try resolved.model.check(height: shape[0], width: shape[1], channels: shape[2])
    try makeCheckpoint(
      of: resolved, from: folder.denoiserFiles(), imageShape: { shape }, classNames: { [] }, in: directory)
  }

  /// Makes a checkpoint from a control network's folder.
  ///
  /// - Parameter configuration: names the controlled base.
  /// - Throws: as the other overloads.
  public static func makeCheckpoint(
    from folder: ControlFolder, configuration: SettingsNode, size: (height: Int, width: Int)?,
    in directory: String
  ) throws {
    let resolved = try TrainingConfiguration(completed(folder.configuration(configuration)))
    try makeCheckpoint(
      of: resolved, from: folder.files(), imageShape: { try imageShape(folder.path, [:], resolved, size) },
      classNames: { [] }, in: directory)
  }

  /// Completes the configuration of a control network with that of its denoiser.
  private static func completed(_ configuration: SettingsNode) throws -> SettingsNode {
    TaskSettings.trainsControl(configuration) ? try BaseModel.completing(configuration) : configuration
  }

  private static func makeCheckpoint(
    of resolved: TrainingConfiguration, from source: some TensorSource, imageShape: () throws -> [Int],
    classNames: () throws -> [String], in directory: String
  ) throws {
    guard !FileManager.default.fileExists(atPath: directory) else {
      throw FileError("create", directory, code: EEXIST)
    }
    guard resolved.adapter == nil, resolved.inversion == nil, resolved.changedEncoder == nil else {
      throw ModelFileError(
        directory,
        "would hold a whole model, and the configuration trains an adapter or a word, or a text encoder beside it"
      )
    }
    let layout = resolved.model.parameters
    let weights = try StateDict.weights(of: layout, in: source)
    // The state after the weights belongs to training, and starts afresh.
    let state = TrainingState(
      layout: resolved.trainedParameters, seed: resolved.training.seed, schema: StateSchema(resolved.ema))
    state.weights.pointer.update(from: weights.pointer, count: weights.count)
    state.copyWeightsToAverages()
    try Checkpoint.write(
      state,
      Checkpoint.Provenance(
        images: 0, imageShape: try imageShape(),
        datasetDigest: "", classNames: try classNames(), configuration: resolved.resolved),
      partBytes: resolved.checkpoint.partBytes, to: directory)
  }

  /// Writes a model's weights as PyTorch's state dict.
  ///
  /// - Parameters:
  ///   - section: the section `model` that describes it.
  ///   - configuration: what it was trained with; nil if that is not known.
  /// - Throws: `FileError`.
  static func write(
    _ weights: ParameterBuffer, _ layout: ParameterLayout, section: SettingsNode,
    _ configuration: SettingsNode?, to path: String
  ) throws {
    var metadata = [Key.format: "pt", Key.model: section.json]
    metadata[Key.configuration] = configuration?.withoutAdapter.json
    var file = SafetensorsWriter(metadata: metadata)
    StateDict.add(layout, from: weights, batches: 0, to: &file)
    try file.write(to: path)
  }

  /// The configuration in the metadata of a file that was written here; nil if there is none.
  ///
  /// - Throws: `SettingsError`.
  static func writtenConfiguration(_ file: SafetensorsFile) throws -> SettingsNode? {
    try file.metadata[Key.configuration].map {
      try SettingsNode(yaml: $0, source: "\(file.path), metadata \(Key.configuration)")
    }
  }

  private static func configuration(_ file: SafetensorsFile) throws -> SettingsNode {
    if let configuration = try writtenConfiguration(file) { return configuration }
    guard let text = file.metadata[Key.model] else {
      throw ModelFileError(
        file.path,
        "its metadata do not say which model its tensors are of: name a configuration with --config")
    }
    // Only the model is known: the rest keeps its defaults, and there is no dataset to name.
    return [
      "dataset": ["path": ""],
      "model": try SettingsNode(yaml: text, source: "\(file.path), metadata \(Key.model)"),
    ]
  }

  /// Empty if the metadata have none.
  private static func classNames(_ file: SafetensorsFile) throws -> [String] {
    guard let text = file.metadata[Key.classNames] else { return [] }
    let source = "\(file.path), metadata \(Key.classNames)"
    let node: SettingsNode = [Key.classNames: try SettingsNode(yaml: text, source: source)]
    return try SettingsReader(node).value(
      Key.classNames, default: [String](), help: "the names of the classes, label 0 first")
  }

  /// [H, W, C].
  private static func imageShape(
    _ path: String, _ metadata: [String: String], _ configuration: TrainingConfiguration,
    _ size: (height: Int, width: Int)?
  ) throws -> [Int] {
    let model = configuration.model
    var shape: [Int]
    if let size {
      shape = [size.height, size.width, model.imageChannels]
    } else if case .square(let side) = model.imageSize {
      shape = [side, side, model.imageChannels]
    } else if let text = metadata[Key.imageShape] {
      let numbers = text.trimmingCharacters(in: CharacterSet(charactersIn: "[] ")).split(separator: ",")
      shape = numbers.compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
      guard shape.count == 3, shape.allSatisfy({ (1...65_536).contains($0) }) else {
        throw ModelFileError(path, "its metadata \(Key.imageShape) is \(text), expected [H,W,C]")
      }
    } else if let dataset = try? ShardedDataset(directory: configuration.dataset.path) {
      shape = dataset.sampleShape
    } else {
      throw ModelFileError(
        path, "nothing says how large the images are: give --size, such as --size 28x28")
    }
    try model.check(height: shape[0], width: shape[1], channels: shape[2])
    return shape
  }
}

extension SettingsNode {
  /// The configuration of the model alone, with any adapter merged; a control network keeps its base.
  fileprivate var withoutAdapter: SettingsNode {
    guard !TaskSettings.trainsControl(self) else { return self }
    let keys = [AdapterSection.key, TrainingConfiguration.baseKey]
    return SettingsNode(.section((entries ?? []).filter { !keys.contains($0.key) }))
  }
}
