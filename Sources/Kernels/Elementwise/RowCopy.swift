/// Copies between rows of different strides, as in concatenating and splitting tensors.
public enum RowCopy {
  /// The number of floats per task.
  private static let piece = 16_384

  /// Copies `rows` rows of `width` floats; strides are distances between rows in floats.
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

  /// Adds the rows instead of copying them.
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
  /// Writes each of `rows` rows `times` times in succession.
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
