/// Divides a result matrix [rows, columns] into tiles, one per task: large enough to make packing the factors cheap,
/// and numerous enough to balance the load.
struct ProductTiles {
  let rows: Int
  let columns: Int
  let height: Int
  let width: Int

  static let tallest = 256
  private static let widest = 384
  private static let smallest = 64
  /// The number of tasks for any number of threads.
  static let usualTasks = 16

  /// - Parameters:
  ///   - times: the number of such matrices computed in one loop.
  ///   - tasks: the desired number of tasks, unless tiles would become too small. If it depends on the threads, nothing but
  ///     tiles must depend on it: how sums are split, for example, must not.
  init(rows: Int, columns: Int, times: Int = 1, tasks: Int = Self.usualTasks) {
    (self.rows, self.columns) = (rows, columns)
    var height = Self.evenPart(rows, most: Self.tallest)
    var width = Self.evenPart(columns, most: Self.widest)
    while Self.parts(rows, height) * Self.parts(columns, width) * times < tasks
      && max(height, width) > Self.smallest
    {
      if height >= width {
        height = Self.evenPart(rows, most: max(height / 2, Self.smallest))
      } else {
        width = Self.evenPart(columns, most: max(width / 2, Self.smallest))
      }
    }
    (self.height, self.width) = (height, width)
  }

  var count: Int { Self.parts(rows, height) * Self.parts(columns, width) }

  subscript(tile: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let across = Self.parts(columns, width)
    let (row, column) = (tile / across * height, tile % across * width)
    return (row..<min(row + height, rows), column..<min(column + width, columns))
  }

  private static func parts(_ count: Int, _ size: Int) -> Int { (count + size - 1) / size }

  /// The part size when `count` is divided into as few parts as `most` allows, all but the last equal and whole
  /// vectors.
  private static func evenPart(_ count: Int, most: Int) -> Int {
    let parts = parts(count, most)
    return ((count + parts - 1) / parts + Vector.width - 1) / Vector.width * Vector.width
  }
}
