import Files
import Foundation
import HDF5
import Layers
import Settings
import Tensors

/// A complete checkpoint: a directory whose files agree with its manifest.
public struct Checkpoint: Sendable {
  public let directory: String
  public let manifest: CheckpointManifest

  /// The names inside, which are PyTorch's where PyTorch has one.
  enum Names {
    static let modelFile = "model.h5"
    static func optimizerFile(_ index: Int, of count: Int) -> String {
      String(format: "optimizer-%05d-of-%05d.h5", index, count)
    }
    static let weights = "model"
    static let average = "ema"
    static let firstMoment = "exp_avg"
    static let secondMoment = "exp_avg_sq"
  }

  /// Opens the checkpoint in `directory` and checks every file's size and digest.
  ///
  /// - Throws: `CheckpointError` naming what is missing or was altered; `FileError`.
  public init(opening directory: String) throws {
    guard FileManager.default.fileExists(atPath: directory) else {
      throw CheckpointError(directory, "there is no such checkpoint or run directory")
    }
    self.directory = directory
    manifest = try CheckpointManifest(checkpoint: directory)
    for file in manifest.files {
      let path = "\(directory)/\(file.name)"
      guard let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int else {
        throw CheckpointError(path, "is missing")
      }
      guard size == file.bytes else {
        throw CheckpointError(path, "has \(size) bytes, its manifest says \(file.bytes)")
      }
      guard try SHA256.digest(ofFile: path) == file.sha256 else {
        throw CheckpointError(path, "was altered: its SHA-256 is not that of its manifest")
      }
    }
  }

  /// Opens the checkpoint in `path`, or the newest good one if `path` is a run directory.
  ///
  /// - Parameter onDamage: is told of newer checkpoints of the run that are damaged.
  /// - Throws: `CheckpointError` if there is none; `FileError`.
  public static func find(at path: String, onDamage: (CheckpointError) -> Void) throws -> Checkpoint {
    let directory = RunDirectory(path)
    guard FileManager.default.fileExists(atPath: directory.configuration) else {
      return try Checkpoint(opening: path)
    }
    guard let newest = try CheckpointStore(directory: directory.checkpoints).newest(onDamage: onDamage) else {
      throw CheckpointError(path, "the run has no checkpoint yet")
    }
    return newest
  }

  /// The tensors of which group to read.
  public enum Weights: String, CaseIterable, Sendable {
    case trained = "model"
    case average = "ema"
  }

  /// Reads the weights, or their average, into new memory.
  ///
  /// - Throws: `CheckpointError` if they are not those of a model with `layout`; `HDF5Error`.
  public func weights(_ which: Weights, layout: ParameterLayout) throws -> FlatMemory {
    let flat = FlatMemory(count: layout.flatCount)
    try read(
      [(which == .trained ? Names.weights : Names.average, flat)], from: Names.modelFile, layout.parameters)
    return flat
  }

  /// Reads the state of training, a rank's share of it.
  ///
  /// - Throws: `CheckpointError` if it is that of another model; `HDF5Error`.
  public func restore(_ state: RankState) throws {
    let optimizerFile = try optimizerFile
    let layout = state.layout
    try read([(Names.weights, state.weights)], from: Names.modelFile, layout.parameters)
    // One after the other through the same memory: a rank has no room for all of each.
    let whole = FlatMemory(count: layout.flatCount)
    for (name, shard, file, parameters) in [
      (Names.average, state.average, Names.modelFile, layout.parameters),
      (Names.firstMoment, state.firstMoment, optimizerFile, layout.trained),
      (Names.secondMoment, state.secondMoment, optimizerFile, layout.trained),
    ] {
      whole.clear()
      try read([(name, whole)], from: file, parameters)
      shard.load(from: whole)
    }
    state.step = manifest.step
  }

  private var optimizerFile: String {
    get throws {
      let files = manifest.files.map(\.name).filter { $0 != Names.modelFile }
      guard files == [Names.optimizerFile(0, of: 1)] else {
        throw CheckpointError(directory, "has optimizer files \(files), expected one")
      }
      return files[0]
    }
  }

  private func read(
    _ groups: [(name: String, flat: FlatMemory)], from file: String, _ parameters: [Parameter]
  ) throws {
    let path = "\(directory)/\(file)"
    let file = try HDF5.File(opening: path)
    for (name, flat) in groups {
      try Self.read(file.root.group(name), of: path, into: flat, parameters)
    }
    try file.close()
  }

  private static func read(
    _ group: HDF5.Group, of file: String, into flat: FlatMemory, _ parameters: [Parameter]
  ) throws {
    let found = try Set(group.children())
    let expected = Set(parameters.map(\.name))
    let missing = expected.subtracting(found).sorted()
    let surplus = found.subtracting(expected).sorted()
    guard missing.isEmpty && surplus.isEmpty else {
      let lists = [("lacks", missing), ("has", surplus)].filter { !$0.1.isEmpty }
        .map {
          "\($0) \($1.prefix(3).joined(separator: ", "))\($1.count > 3 ? " and \($1.count - 3) more" : "")"
        }
      throw CheckpointError(
        "\(file), \(group.path)", "belongs to another model: it \(lists.joined(separator: ", and "))")
    }
    for parameter in parameters {
      let dataset = try group.dataset(parameter.name)
      guard dataset.shape == parameter.fileShape else {
        throw CheckpointError(
          "\(file), \(dataset.path)",
          "belongs to another model: it is \(dataset.shape), the configured model has \(parameter.fileShape)")
      }
      let elements = try dataset.read(as: Float.self)
      parameter.import(from: elements, to: flat.pointer)
    }
  }
}
