import Kernels

extension Tensor {
  /// Concatenates tensors along `axis`; all other dimensions must match. For images the last axis joins channels; for
  /// [B, N, C], axis 1 joins tokens.
  public static func concatenated(_ parts: [Tensor], axis: Int) -> Tensor {
    let first = parts[0]
    precondition(
      parts.allSatisfy { part in
        part.shape.count == first.shape.count && part.shape.indices.contains(axis)
          && part.shape.indices.allSatisfy { $0 == axis || part.shape[$0] == first.shape[$0] }
      }, "\(parts.map(\.shape)) along axis \(axis)")
    var shape = first.shape
    shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    let output = first.tape.result(shape, of: parts)
    let rows = shape[..<axis].reduce(1, *)
    let stride = output.count / rows
    var place = 0
    let pieces = parts.map { part in
      defer { place += part.count / rows }
      return (target: part.target, width: part.count / rows, place: place)
    }
    for (part, piece) in zip(parts, pieces) {
      RowCopy.copy(
        part.pointer, stride: piece.width, to: output.pointer + piece.place, targetStride: stride, rows: rows,
        width: piece.width, pool: first.threads)
    }
    first.tape.record(output) { tape, dy in
      for piece in pieces where piece.target != .none {
        let gradient = tape.engine.storage(rows * piece.width)
        RowCopy.copy(
          dy.pointer + piece.place, stride: stride, to: gradient.pointer, targetStride: piece.width,
          rows: rows, width: piece.width, pool: tape.engine.threads)
        tape.add(gradient, to: piece.target)
      }
    }
    return output
  }
}
