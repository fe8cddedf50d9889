import Checkpoints
import Configuration
import Files
import Foundation
import Layers
import Optimization
import Tensors

/// An average of a run's weights of any width, reconstructed after training from the averages in its checkpoints
/// (Karras et al., 2024, "Analyzing and Improving the Training Dynamics of Diffusion Models", section 3).
public struct AverageReconstruction {
  /// The averages in one checkpoint.
  private struct Snapshot {
    let checkpoint: Checkpoint
    let members: [StateMember]
    /// One per member.
    let averages: [PowerProfile.Average]
  }

  /// The step of the average.
  public let step: Int
  /// The number of averages and of checkpoints that are combined.
  public let averages: Int
  public let checkpoints: Int
  /// [the model's flat memory].
  let weights: ParameterBuffer
  let manifest: CheckpointManifest

  /// - Parameters:
  ///   - run: the run directory; its checkpoints are those kept by `checkpoint.keep`.
  ///   - width: σ_rel of the reconstructed average.
  ///   - step: the step at whose end the average is taken; nil selects the last one with a checkpoint.
  ///   - onDamage: called with damaged checkpoints, which are skipped.
  /// - Throws: `CheckpointError` if the run has no usable averages; `AverageError`; `FileError`.
  public init(
    run: String, width: Double, step wanted: Int?, onDamage: (CheckpointError) -> Void
  ) throws {
    let store = CheckpointStore(directory: RunDirectory(run).checkpoints)
    let steps = try store.steps().filter { $0 > 0 && $0 <= wanted ?? .max }.sorted()
    guard let last = steps.last, wanted.map({ $0 == last }) ?? true else {
      let there = steps.map(String.init).joined(separator: ", ")
      throw CheckpointError.unsuitable(
        run,
        wanted.map { "has no checkpoint of step \($0); there are those of \(there)" }
          ?? "has no checkpoint yet")
    }
    let found = try Self.snapshots(store, steps, onDamage)
    guard let newest = found.last, newest.checkpoint.manifest.step == last else {
      throw CheckpointError.unsuitable(
        run, "keeps no averages of power profile at step \(last): it was trained without ema.profile: power")
    }
    step = last
    manifest = newest.checkpoint.manifest
    averages = found.reduce(0) { $0 + $1.averages.count }
    checkpoints = found.count
    let coefficients = try PowerProfile.coefficients(
      of: found.flatMap(\.averages),
      for: PowerProfile.Average(step: Double(last), gamma: PowerProfile.gamma(relativeWidth: width)))
    let configuration = try TrainingConfiguration(manifest.configuration)
    try Conversion.requireAlone(configuration, run)
    guard let adapter = configuration.adapter else {
      weights = try Self.sum(found, coefficients, layout: configuration.model.parameters)
      return
    }
    let own = try Self.sum(found, coefficients, layout: adapter.joint.parameters)
    weights = try newest.checkpoint.baseWeights(configuration)
    try adapter.adapter.merge(own, into: weights, of: configuration.model.parameters)
  }

  private static func snapshots(
    _ store: CheckpointStore, _ steps: [Int], _ onDamage: (CheckpointError) -> Void
  ) throws -> [Snapshot] {
    try steps.compactMap { step -> Snapshot? in
      let checkpoint: Checkpoint
      do {
        checkpoint = try Checkpoint(opening: store.path(step))
      } catch let error as CheckpointError where error.isDamage {
        onDamage(error)
        return nil
      }
      let settings = try TrainingConfiguration(checkpoint.manifest.configuration).ema
      let profiles =
        [(StateMember.ema, settings.first)] + settings.further.map { (.average($0.name), $0.profile) }
      let found = profiles.compactMap { member, profile -> (StateMember, PowerProfile.Average)? in
        guard case .power(let gamma) = profile else { return nil }
        return (member, PowerProfile.Average(step: Double(step), gamma: gamma))
      }
      return found.isEmpty
        ? nil : Snapshot(checkpoint: checkpoint, members: found.map(\.0), averages: found.map(\.1))
    }
  }

  /// Computed in double precision, in the order of steps.
  private static func sum(
    _ snapshots: [Snapshot], _ coefficients: [Double], layout: ParameterLayout
  ) throws -> ParameterBuffer {
    var sums = [Double](repeating: 0, count: layout.flatCount)
    var rest = coefficients[...]
    for snapshot in snapshots {
      let averages = try snapshot.checkpoint.weights(snapshot.members, layout: layout)
      for (weights, coefficient) in zip(averages, rest) {
        for index in sums.indices { sums[index] += coefficient * Double(weights.pointer[index]) }
      }
      rest = rest.dropFirst(averages.count)
    }
    let flat = ParameterBuffer(count: layout.flatCount)
    for index in sums.indices { flat.pointer[index] = Float(sums[index]) }
    return flat
  }

  /// Writes the average as a safetensors file with PyTorch's state dict.
  ///
  /// - Throws: `FileError`, `SettingsError`.
  public func write(to path: String) throws {
    try Conversion.write(weights, named: "average", of: manifest, to: path)
  }
}
