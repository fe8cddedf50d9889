import Foundation
import Layers
import Tensors

/// Which tensors each file of a checkpoint holds. It follows from the model and the size of a part alone, so that the
/// files are the same bytes whatever the number of ranks that write them.
package struct CheckpointPlan: Sendable {
  struct File: Sendable {
    let name: String
    let members: [StateMember]
    let parameters: [Parameter]

    /// Where the parameters lie in the flat memory.
    var range: Range<Int> {
      guard let first = parameters.first, let last = parameters.last else { return 0..<0 }
      return first.offset..<last.offset + last.count
    }
  }

  /// The model, then the parts of the optimiser.
  let files: [File]

  /// - Parameter partBytes: about how large a file of the optimiser's becomes, which one rank writes.
  package init(_ layout: ParameterLayout, _ schema: StateSchema, partBytes: Int) {
    let trained = layout.trained
    let bytes = schema.optimizer.count * MemoryLayout<Float>.size * layout.valueCount
    let wanted = bytes / partBytes + (bytes % partBytes == 0 ? 0 : 1)
    let count = max(1, min(wanted, layout.valueCount))
    // A parameter is in the part that its first element falls in. Large ones leave parts empty, which there are not.
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

  /// The rank that writes each file: the largest file first, to the rank that has least to write.
  func writers(worldSize: Int) -> [Int] {
    Checkpoint.readers(of: files.map { $0.range.count * $0.members.count }, ranks: worldSize)
  }
}
