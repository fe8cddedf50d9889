import Checkpoints
import Configuration
import Datasets
import Files
import Foundation
import HDF5
import Interchange
import Models
import Reporting
import Settings

/// Identifies and describes a path: a dataset, a shard or another HDF5 file, a checkpoint, a run, a configuration, or a
/// safetensors file.
public enum Inspection {
  /// A description to be shown.
  public struct Description {
    /// The contents of the files.
    let node: SettingsNode
    /// The model that the files belong to, if any.
    let model: ModelSummary?

    public var text: String { node.yaml() + (model.map { "\n" + $0.text } ?? "") }

    public var json: String {
      guard case .section(let entries) = node.content, let model else { return node.indentedJSON }
      return SettingsNode(.section(entries + [SettingsEntry(key: "model", node: model.node)])).indentedJSON
    }
  }

  /// Describes what is at `path`. For a checkpoint, and for those of a run, every file is verified against its digest.
  ///
  /// - Parameters:
  ///   - size: height and width of the images for which the model's FLOPs are counted; nil for the size it was trained
  ///     with, or that `MeasuredImages` determines.
  ///   - verifying: whether a dataset's files are verified against their digests as well, and any damage is an error.
  /// - Throws: `InspectionError` for an unknown path, and errors from reading it.
  public static func describe(_ path: String, size: (height: Int, width: Int)? = nil, verifying: Bool = false)
    throws -> Description
  {
    let files = FileManager.default
    var isFolder: ObjCBool = false
    guard files.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw InspectionError.missing(path)
    }
    func holds(_ name: String) -> Bool { files.fileExists(atPath: "\(path)/\(name)") }
    if isFolder.boolValue {
      if holds(DatasetManifest.fileName) {
        return try Description(node: dataset(path, verifying), model: nil)
      }
      if holds(CheckpointManifest.fileName) { return try checkpoint(path, size) }
      if holds(RunDirectory.configurationName) {
        return try Description(node: run(path, verifying), model: nil)
      }
      throw InspectionError.unknown(path)
    }
    if verifying { throw InspectionError.withoutDigests(path) }
    if path.hasSuffix(".h5") { return try Description(node: hdf5(path), model: nil) }
    if path.hasSuffix(".safetensors") { return try Description(node: safetensors(path), model: nil) }
    if path.hasSuffix(".yaml") || path.hasSuffix(".yml") { return try configuration(path, size) }
    throw InspectionError.unknown(path)
  }

  private static func dataset(_ path: String, _ verifying: Bool) throws -> SettingsNode {
    let dataset = try ShardedDataset(directory: path)
    // Always check the contents as well: a digest does not tell whether a file holds the right data.
    try dataset.check()
    if verifying { try dataset.verify() }
    let manifest = dataset.manifest
    var entries: [SettingsEntry] = []
    func add(_ key: String, _ node: SettingsNode) { entries.append(SettingsEntry(key: key, node: node)) }
    add("kind", "dataset")
    add("name", SettingsNode(manifest.name))
    add("split", SettingsNode(manifest.split))
    if manifest.field(.image) == nil {
      add("samples", SettingsNode(manifest.count))
    } else {
      add("images", SettingsNode(manifest.count))
      add("height", SettingsNode(dataset.height))
      add("width", SettingsNode(dataset.width))
      add("channels", SettingsNode(dataset.channels))
    }
    add("classes", SettingsNode(manifest.classNames))
    add("fields", SettingsNode(.list(manifest.fields.map(field))))
    add("sha256", SettingsNode(dataset.digest))
    add(
      "shards",
      SettingsNode(
        .list(
          manifest.shards.map {
            ["file": SettingsNode($0.file), "images": SettingsNode($0.count)] as SettingsNode
          })))
    return SettingsNode(.section(entries))
  }

  private static func field(_ field: Field) -> SettingsNode {
    var entries = [
      SettingsEntry(key: "name", node: SettingsNode(field.name)),
      SettingsEntry(key: "role", node: SettingsNode(field.role.rawValue)),
      SettingsEntry(key: "type", node: SettingsNode(field.type.rawValue)),
      SettingsEntry(key: "shape", node: SettingsNode(field.shape)),
    ]
    if let variables = field.variables {
      entries.append(SettingsEntry(key: "variables", node: SettingsNode(variables.map(\.name))))
    }
    if let normalization = field.normalization {
      entries.append(SettingsEntry(key: "normalization", node: SettingsNode(normalization.kind.rawValue)))
    }
    return SettingsNode(.section(entries))
  }

  private static func checkpoint(
    _ path: String, _ size: (height: Int, width: Int)?
  ) throws -> Description {
    let checkpoint = try Checkpoint(opening: path)
    let manifest = checkpoint.manifest
    let configuration = try TrainingConfiguration(manifest.configuration)
    let node: SettingsNode = [
      "kind": "checkpoint",
      "step": SettingsNode(manifest.step),
      "images": SettingsNode(manifest.images),
      "image_shape": SettingsNode(manifest.imageShape),
      "parameters": SettingsNode(configuration.trainedParameters.valueCount),
      "dataset_sha256": SettingsNode(manifest.datasetDigest),
      "class_names": SettingsNode(manifest.classNames),
      "files": SettingsNode(
        .list(
          manifest.files.map {
            ["file": SettingsNode($0.name), "bytes": SettingsNode($0.bytes)] as SettingsNode
          })),
      "configuration": manifest.configuration,
    ]
    let sides = size ?? (manifest.imageShape[0], manifest.imageShape[1])
    return Description(node: node, model: try summary(configuration, path, sides))
  }

  private static func run(_ path: String, _ verifying: Bool) throws -> SettingsNode {
    let directory = RunDirectory(path)
    let store = CheckpointStore(directory: directory.checkpoints)
    var saved = 0
    var damaged: [CheckpointError] = []
    let checkpoints = try store.steps().compactMap { step -> SettingsNode? in
      do {
        saved = max(saved, try Checkpoint(opening: store.path(step)).manifest.step)
        return ["step": SettingsNode(step), "state": "good"]
      } catch let error as CheckpointError {
        // The run may have deleted it in the meantime.
        guard FileManager.default.fileExists(atPath: store.path(step)) else { return nil }
        damaged.append(error)
        return ["step": SettingsNode(step), "state": SettingsNode("damaged: \(error)")]
      }
    }
    if verifying && !damaged.isEmpty { throw InspectionError.damaged(damaged) }
    let hasMetrics = FileManager.default.fileExists(atPath: directory.metrics)
    let last = hasMetrics ? try MetricsFile.read(directory.metrics).last : nil
    let node = try SettingsNode(contentsOfFile: directory.configuration)
    return [
      "kind": "run",
      // Not every step has an entry in the metrics.
      "step": SettingsNode(max(last?.step ?? 0, saved)),
      "steps": node["training.steps"] ?? nil,
      "loss": last.map { SettingsNode(Double($0.loss)) } ?? nil,
      "images_per_second": last.map { SettingsNode($0.imagesPerSecond) } ?? nil,
      "checkpoints": SettingsNode(.list(checkpoints)),
      "configuration": node,
    ]
  }

  private static func configuration(
    _ path: String, _ size: (height: Int, width: Int)?
  ) throws -> Description {
    let configuration = try TrainingConfiguration(describing: SettingsNode(contentsOfFile: path))
    let node: SettingsNode = [
      "kind": "configuration",
      "parameters": SettingsNode(configuration.trainedParameters.valueCount),
      "image_size": SettingsNode("\(configuration.model.imageSize)"),
      "configuration": configuration.resolved,
    ]
    return Description(node: node, model: try summary(configuration, path, size))
  }

  private static func summary(
    _ configuration: TrainingConfiguration, _ path: String, _ size: (height: Int, width: Int)?
  ) throws -> ModelSummary {
    ModelSummary(
      configuration.model, imageShape: try MeasuredImages.shape(configuration, name: path, size: size))
  }

  private static func hdf5(_ path: String) throws -> SettingsNode {
    let file = try HDF5.File(opening: path)
    var datasets: [SettingsNode] = []
    func visit(_ group: HDF5.Group) throws {
      for name in try group.children() {
        if let dataset = try? group.dataset(name) {
          datasets.append([
            "name": SettingsNode(dataset.path), "type": SettingsNode("\(dataset.elementType)"),
            "shape": SettingsNode(dataset.shape),
          ])
        } else {
          try visit(group.group(name))
        }
      }
    }
    try visit(file.root)
    return ["kind": "hdf5", "datasets": SettingsNode(.list(datasets))]
  }
}

/// A path that cannot be described.
public enum InspectionError: Error, CustomStringConvertible, Equatable {
  case missing(String)
  case unknown(String)
  /// The file has no digest to verify it against.
  case withoutDigests(String)
  case damaged([CheckpointError])

  public var description: String {
    switch self {
    case .missing(let path): "\(path): there is no such file or directory"
    case .unknown(let path):
      "\(path): is no dataset, shard, checkpoint, run directory, configuration or safetensors file"
    case .withoutDigests(let path):
      "\(path): only datasets, checkpoints and run directories can be verified"
    case .damaged(let errors): errors.map { "\($0)" }.joined(separator: "\n")
    }
  }
}
