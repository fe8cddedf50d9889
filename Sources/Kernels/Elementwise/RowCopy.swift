/// Rows of one memory at places in the rows of another: what concatenating and splitting tensors comes to.
public enum RowCopy {
  /// Floats that one task copies.
  private static let piece = 16_384

  /// Copies `rows` rows of `width` floats; strides are floats from one row to the next.
  public static func copy(
    _ source: UnsafePointer<Float>, stride: Int, to target: UnsafeMutablePointer<Float>, targetStride: Int,
    rows: Int, width: Int, pool: ThreadPool
  ) {
    pool.parallelPieces(rows, of: max(piece / max(width, 1), 1)) { rows, _ in
      for row in rows {
        (target + row &* targetStride).update(from: source + row &* stride, count: width)
      }
    }
  }

  /// Adds them instead.
  public static func add(
    _ source: UnsafePointer<Float>, stride: Int, to target: UnsafeMutablePointer<Float>, targetStride: Int,
    rows: Int, width: Int, pool: ThreadPool
  ) {
    pool.parallelPieces(rows, of: max(piece / max(width, 1), 1)) { rows, _ in
      for row in rows {
        Reduction.add(source + row &* stride, to: target + row &* targetStride, count: width)
      }
    }
  }
}

extension RowCopy {
  /// Writes each of `rows` rows `times` times, one after the other.
  public static func repeatRows(
    _ source: UnsafePointer<Float>, rows: Int, width: Int, times: Int, to target: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    pool.parallel(rows) { row, _ in
      Elementwise.fillRows(
        target + row * times * width, rows: times, stride: width, with: source + row * width, count: width)
    }
  }
}
