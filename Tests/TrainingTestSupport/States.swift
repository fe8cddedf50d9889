import Checkpoints
import Configuration
import Foundation
import Settings
import Tensors

/// A configuration of a tiny model, with `settings` such as `training.steps=3`.
package func configuration(_ settings: String...) throws -> TrainingConfiguration {
  try configuration(settings)
}

package func configuration(_ settings: [String]) throws -> TrainingConfiguration {
  let node: SettingsNode = [
    "dataset": ["path": "data"],
    "model": ["kind": "annotated-unet", "dim": 8, "dim_mults": [1, 2], "channels": 1],
  ]
  return try TrainingConfiguration(node.applying(overrides: settings))
}

/// A state after `step` steps of which every number is another, multiples of `scale`.
package func state(step: Int, scale: Float = 1) throws -> TrainingState {
  let state = TrainingState(layout: try configuration().model.parameters, seed: 0)
  state.step = step
  for (index, memory) in memories(state).enumerated() {
    // What lies between parameters is no part of the state.
    for parameter in state.layout.parameters {
      for element in 0..<parameter.count {
        memory.pointer[parameter.offset + element] =
          scale * (Float(parameter.offset + element) + 0.25 * Float(index))
      }
    }
  }
  return state
}

/// The only rank's state, and so all of it.
package func onlyRank(_ state: TrainingState) -> ShardedState {
  ShardedState(state, parts: [0..<state.layout.flatCount])
}

/// All that a rank holds of a state, where its parts lie in it.
package func whole(_ state: ShardedState) -> TrainingState {
  let whole = TrainingState(layout: state.layout, seed: 0, schema: state.schema)
  whole.step = state.step
  whole.weights.copy(from: state.weights)
  for member in state.schema.all {
    guard let shard = state.shard(member) else { continue }
    whole[member].clear()
    shard.store(to: whole[member])
  }
  return whole
}

package func memories(_ state: TrainingState) -> [ParameterBuffer] {
  state.schema.all.map { state[$0] }
}

package func bits(_ state: TrainingState) -> [[UInt32]] {
  memories(state).map { $0.elements.map(\.bitPattern) }
}

package func provenance(_ state: TrainingState) throws -> Checkpoint.Provenance {
  Checkpoint.Provenance(
    images: 8 * state.step, imageShape: [16, 16, 1], datasetDigest: String(repeating: "a", count: 64),
    classNames: ["rose", "10"],
    configuration: try configuration().resolved)
}

package func names(in directory: String) -> [String] {
  ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
}

package func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

package func write(_ text: String, to path: String) throws {
  try Data(text.utf8).write(to: URL(filePath: path))
}
