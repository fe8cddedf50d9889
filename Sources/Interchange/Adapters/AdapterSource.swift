import Checkpoints
import Configuration
import Files
import Foundation
import Layers
import Tensors

/// An adapter to be merged into a model, with an optional weight: `FILE` or `FILE:WEIGHT`.
public struct AdapterSource: Sendable {
  /// A file of peft, diffusers, kohya's scripts or LyCORIS, a peft folder, or a run or checkpoint of an adapter.
  public let path: String
  /// The factor of the change.
  public let weight: Float

  /// - Returns: nil if the text after the last colon is not a number, and no file has the whole name.
  public init?(_ text: String) {
    let files = FileManager.default
    guard let colon = text.lastIndex(of: ":"), !files.fileExists(atPath: text) else {
      (path, weight) = (text, 1)
      return
    }
    guard let weight = Float(text[text.index(after: colon)...]), weight.isFinite else { return nil }
    (path, self.weight) = (String(text[..<colon]), weight)
  }

  /// The adapter's tensors.
  ///
  /// - Parameter tell: called with notes for the user on how they were read.
  /// - Throws: `ModelFileError`, `CheckpointError`, `SafetensorsError`, `FileError`, `SettingsError`.
  public func tensors(tell: (String) -> Void) throws -> AdapterTensors {
    guard FileManager.default.fileExists(atPath: path) else {
      throw ModelFileError(path, "there is no such adapter\(path.lookedForNote)")
    }
    let tensors = try Self.tensors(path) { tell("passed over: \($0)") }
    for note in tensors.notes { tell(note) }
    return tensors
  }

  private static func tensors(
    _ path: String, onDamage: (CheckpointError) -> Void
  ) throws -> AdapterTensors {
    let files = FileManager.default
    let marks = ["\(path)/\(CheckpointManifest.fileName)", RunDirectory(path).configuration]
    guard marks.contains(where: { files.fileExists(atPath: $0) }) else {
      return try AdapterTensors(path: path)
    }
    return try Checkpoint.read(at: path, onDamage: onDamage) {
      try AdapterTensors($0, weights: .weights(named: StateSchema.ema))
    }
  }

  /// Merges adapters into the weights of a pipeline component, whose model has `layout`.
  ///
  /// - Parameter others: other components that the adapters may change, and that are merged separately.
  /// - Throws: as `tensors`; `ModelFileError` for an adapter that does not fit; `AdapterMergeError`.
  public static func merge(
    _ sources: [AdapterSource], into weights: ParameterBuffer, of layout: ParameterLayout,
    _ component: AdapterTensors.Component = .denoiser, besides others: Set<AdapterTensors.Component> = [],
    tell: (String) -> Void
  ) throws {
    var adapters: [(adapter: Adapter, weights: ParameterBuffer, factor: Float)] = []
    for source in sources {
      let tensors = try source.tensors(tell: tell)
      if let other = tensors.components.subtracting(others).subtracting([component]).first {
        throw ModelFileError(source.path, "changes a \(other.rawValue) as well, and there is none")
      }
      guard tensors.components.contains(component) else { continue }
      let (adapter, own) = try tensors.adapter(of: component, layout, in: source.path)
      adapters.append((adapter, own, source.weight))
    }
    var original: ParameterBuffer?
    if adapters.count > 1, adapters.contains(where: { $0.adapter.isDecomposed }) {
      let copy = ParameterBuffer(count: weights.count)
      copy.copy(from: weights)
      original = copy
    }
    for (adapter, own, factor) in adapters {
      try adapter.merge(own, into: weights, of: layout, from: original, factor: factor)
    }
  }
}

extension AdapterTensors {
  /// The adapter of a checkpoint.
  ///
  /// - Throws: `ModelFileError` if its run trains a whole model; `CheckpointError`.
  public init(_ checkpoint: Checkpoint, weights member: StateMember) throws {
    let configuration = try TrainingConfiguration(checkpoint.manifest.configuration)
    guard let section = configuration.adapter else {
      throw ModelFileError(checkpoint.directory, "holds a whole model, and an adapter is wanted")
    }
    let weights = try checkpoint.weights(member, layout: section.joint.parameters)
    self.init(
      [(.denoiser, section.adapter)] + (section.text.map { [(.textEncoder, $0.adapter)] } ?? []), weights)
  }
}
