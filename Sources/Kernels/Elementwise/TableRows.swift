/// Gathers rows of a table [R, D] by index: embeddings of tokens or classes.
public enum TableRows {
  /// The number of columns per task.
  private static let columns = 64

  /// output[i] = table[indices[i]], or zeros where the index is nil: [indices, D].
  public static func gather(
    _ table: UnsafePointer<Float>, width: Int, indices: [Int?], output: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    pool.parallelPieces(indices.count, of: max(16_384 / max(width, 1), 1)) { places, _ in
      for place in places {
        let target = output + place * width
        if let row = indices[place] {
          target.update(from: table + row * width, count: width)
        } else {
          target.update(repeating: 0, count: width)
        }
      }
    }
  }

  /// Adds each row of `gradient` [indices, D] to the row of `sum` [R, D] that it was gathered from, in the order of the
  /// indices.
  public static func addGradient(
    _ gradient: UnsafePointer<Float>, width: Int, indices: [Int?], to sum: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    pool.parallelPieces(width, of: columns) { columns, _ in
      for (place, row) in indices.enumerated() {
        guard let row else { continue }
        Reduction.add(
          gradient + (place * width + columns.lowerBound), to: sum + (row * width + columns.lowerBound),
          count: columns.count)
      }
    }
  }
}
