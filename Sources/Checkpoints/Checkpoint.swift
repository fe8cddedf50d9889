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

  static let modelFile = "model.h5"
  static func optimizerFile(_ index: Int, of count: Int) -> String {
    String(format: "optimizer-%05d-of-%05d.h5", index, count)
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
    case ema = "ema"
  }

  /// Reads the weights, or their average, into new memory.
  ///
  /// - Throws: `CheckpointError` if they are not those of a model with `layout`; `HDF5Error`.
  public func weights(_ which: Weights, layout: ParameterLayout) throws -> ParameterBuffer {
    let flat = ParameterBuffer(count: layout.flatCount)
    try read(which == .trained ? .weights : .ema, of: layout.parameters, into: flat)
    return flat
  }

  /// Reads the state of training, a rank's share of it.
  ///
  /// - Throws: `CheckpointError` if it is that of another model; `HDF5Error`.
  public func restore(_ state: ShardedState) throws {
    let layout = state.layout
    try read(.weights, of: layout.parameters, into: state.weights)
    // One after the other through the same memory: a rank has no room for all of each.
    let whole = ParameterBuffer(count: layout.flatCount)
    for (member, shard, parameters) in [
      (CheckpointPlan.Member.ema, state.ema, layout.parameters),
      (.firstMoment, state.firstMoment, layout.trained), (.secondMoment, state.secondMoment, layout.trained),
    ] where member != .ema || state.keepsEMA {
      whole.clear()
      try read(member, of: parameters, into: whole, where: shard.parts)
      shard.load(from: whole)
    }
    state.step = manifest.step
  }

  /// The files that hold `member`. How many the optimiser's are is for their writer to choose.
  private func files(of member: CheckpointPlan.Member) throws -> [String] {
    switch member {
    case .weights, .ema: return [Self.modelFile]
    case .firstMoment, .secondMoment:
      let files = manifest.files.map(\.name).filter { $0 != Self.modelFile }
      let expected = files.indices.map { Self.optimizerFile($0, of: files.count) }
      guard files == expected, !files.isEmpty else {
        throw CheckpointError(
          directory,
          "has optimizer files \(files), expected \(Self.optimizerFile(0, of: max(files.count, 1))) and so on"
        )
      }
      return files
    }
  }

  /// Reads `member` of each of `parameters`.
  ///
  /// - Parameter ranges: of the flat memory, in ascending order; parameters that lie outside are looked at, but not
  ///   read. nil: all are read.
  private func read(
    _ member: CheckpointPlan.Member, of parameters: [Parameter], into flat: ParameterBuffer,
    where ranges: [Range<Int>]? = nil
  ) throws {
    let paths = try files(of: member).map { "\(directory)/\($0)" }
    let files = try paths.map { try HDF5.File(opening: $0) }
    let groups = try files.map { try $0.root.group(member.rawValue) }
    let place = "\(paths.count == 1 ? paths[0] : directory), /\(member.rawValue)"
    var homes: [String: HDF5.Group] = [:]
    for (path, group) in zip(paths, groups) {
      for name in try group.children() {
        guard homes.updateValue(group, forKey: name) == nil else {
          throw CheckpointError(path, "holds \(group.path)/\(name), which another file holds too")
        }
      }
    }
    let tensors = parameters.flatMap(\.fileTensors)
    try Self.requireSame(Set(homes.keys), Set(tensors.map(\.name)), place)
    for tensor in tensors {
      guard let dataset = try homes[tensor.name]?.dataset(tensor.name) else { continue }
      guard dataset.shape == tensor.shape else {
        throw CheckpointError(
          "\(place)/\(tensor.name)",
          "belongs to another model: it is \(dataset.shape), the configured model has \(tensor.shape)")
      }
      let parameter = tensor.parameter
      let extent = parameter.offset..<parameter.offset + parameter.count
      guard ranges?.contains(where: { $0.overlaps(extent) }) ?? true else { continue }
      tensor.import(from: try dataset.read(as: Float.self), to: flat.pointer)
    }
    for file in files { try file.close() }
  }

  private static func requireSame(_ found: Set<String>, _ expected: Set<String>, _ place: String) throws {
    let missing = expected.subtracting(found).sorted()
    let surplus = found.subtracting(expected).sorted()
    guard missing.isEmpty && surplus.isEmpty else {
      let lists = [("lacks", missing), ("has", surplus)].filter { !$0.1.isEmpty }
        .map {
          "\($0) \($1.prefix(3).joined(separator: ", "))\($1.count > 3 ? " and \($1.count - 3) more" : "")"
        }
      throw CheckpointError(place, "belongs to another model: it \(lists.joined(separator: ", and "))")
    }
  }
}
