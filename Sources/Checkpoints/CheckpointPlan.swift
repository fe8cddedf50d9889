import Foundation
import Layers
import Tensors

/// Assigns tensors to the files of a checkpoint. The plan depends only on the model and the part size, so that the
/// files are byte-identical for any number of ranks.
package struct CheckpointPlan: Sendable {
  struct File: Sendable {
    let name: String
    let members: [StateMember]
    let parameters: [Parameter]

    /// The range of the parameters in the flat buffer.
    var range: Range<Int> {
      guard let first = parameters.first, let last = parameters.last else { return 0..<0 }
      return first.offset..<last.offset + last.count
    }
  }

  /// The model file, followed by the optimiser files.
  let files: [File]

  /// - Parameter partBytes: the approximate size of an optimiser file, each of which is written by one rank.
  package init(_ layout: ParameterLayout, _ schema: StateSchema, partBytes: Int) {
    let trained = layout.trained
    let bytes = schema.optimizer.count * MemoryLayout<Float>.size * layout.valueCount
    let wanted = bytes / partBytes + (bytes % partBytes == 0 ? 0 : 1)
    let count = max(1, min(wanted, layout.valueCount))
    // A parameter belongs to the part that contains its first element. Parts left empty by large parameters are
    // omitted.
    var parts: [[Parameter]] = []
    var (before, lastPart) = (0, -1)
    for parameter in trained {
      let part = before * count / max(layout.valueCount, 1)
      if part != lastPart { parts.append([]) }
      parts[parts.count - 1].append(parameter)
      before += parameter.count
      lastPart = part
    }
    files =
      [File(name: Checkpoint.modelFile, members: schema.model, parameters: layout.parameters)]
      + parts.enumerated().map { index, parameters in
        File(
          name: Checkpoint.optimizerFile(index, of: parts.count), members: schema.optimizer,
          parameters: parameters)
      }
  }

  /// Assigns each file to the rank that writes it: the largest files first, each to the rank with the least to write.
  func writers(worldSize: Int) -> [Int] {
    Checkpoint.readers(of: files.map { $0.range.count * $0.members.count }, ranks: worldSize)
  }
}
