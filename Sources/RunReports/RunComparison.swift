import Checkpoints
import Configuration
import Foundation
import Reporting
import Tensors

/// Compares two runs bit for bit: the metrics of steps that both have logged, and all tensors of their newest
/// checkpoints.
public struct RunComparison {
  /// Number of steps whose loss and gradient norm were compared.
  public private(set) var steps = 0
  /// Number of checkpoint tensors that were compared: weights, average and both moments.
  public private(set) var tensors = 0
  /// Descriptions of everything that differs.
  public private(set) var differences: [String] = []

  public var isSame: Bool { differences.isEmpty }

  /// - Throws: `CheckpointError` if a run has no valid checkpoint; `HDF5Error`, `FileError`, `MetricsError`.
  public init(_ first: String, _ second: String) throws {
    try compareMetrics(RunDirectory(first).metrics, RunDirectory(second).metrics)
    let a = try Self.state(of: first) { differences.append("\($0)") }
    let b = try Self.state(of: second) { differences.append("\($0)") }
    compareStates(a, b)
  }

  /// The state of the newest valid checkpoint.
  private static func state(
    of run: String, onDamage: (CheckpointError) -> Void
  ) throws -> ShardedState {
    try Checkpoint.read(at: run, onDamage: onDamage) { checkpoint in
      let configuration = try TrainingConfiguration(checkpoint.manifest.configuration)
      let layout = configuration.trainedParameters
      let state = ShardedState(
        layout: layout, seed: 0, parts: [0..<layout.flatCount], schema: StateSchema(configuration.ema))
      try checkpoint.restore(state)
      return state
    }
  }

  /// Compares the metrics that depend on computed numbers rather than on time.
  private mutating func compareMetrics(_ first: String, _ second: String) throws {
    func lines(_ path: String) throws -> [Int: [UInt32]] {
      let lines = try MetricsFile.read(path)
      return Dictionary(lines.map { ($0.step, [$0.loss.bitPattern, $0.gradientNorm.bitPattern]) }) { $1 }
    }
    let (a, b) = (try lines(first), try lines(second))
    if Set(a.keys) != Set(b.keys) { differences.append("the steps that were logged") }
    let common = a.keys.filter { b[$0] != nil }.sorted()
    steps = common.count
    if let step = common.first(where: { a[$0] != b[$0] }) {
      differences.append("loss or gradient norm of step \(step), the first of those that differ")
    }
  }

  private mutating func compareStates(_ a: ShardedState, _ b: ShardedState) {
    guard a.step == b.step else {
      differences.append("the checkpoint: of step \(a.step) and \(b.step)")
      return
    }
    // Each state has a separate parameter set, so parameters are compared by their tensors in files.
    let (ours, theirs) = (a.layout.fileTensors, b.layout.fileTensors)
    guard ours.map(\.name) == theirs.map(\.name), ours.map(\.shape) == theirs.map(\.shape) else {
      differences.append("the model")
      return
    }
    guard a.schema == b.schema else {
      differences.append("the averages")
      return
    }
    func memory(_ state: ShardedState, _ member: StateMember) -> UnsafeMutablePointer<Float> {
      state.shard(member)?.pointer(0) ?? state.weights.pointer
    }
    for member in a.schema.all {
      for parameter in a.layout.parameters {
        tensors += 1
        let bytes = parameter.count * MemoryLayout<Float>.size
        if memcmp(memory(a, member) + parameter.offset, memory(b, member) + parameter.offset, bytes) != 0 {
          differences.append("\(member.name)/\(parameter.name)")
        }
      }
    }
  }
}
