/// Divides a result matrix [rows, columns] into tiles, one per task: large enough to make packing the factors cheap,
/// and numerous enough to balance the load.
struct ProductTiles {
  let rows: Int
  let columns: Int
  let height: Int
  let width: Int

  private static let tallest = 256
  private static let widest = 384
  private static let smallest = 64
  /// The desired number of tasks, unless tiles would become too small.
  private static let wanted = 16

  /// - Parameter times: the number of such matrices computed in one loop.
  init(rows: Int, columns: Int, times: Int = 1) {
    (self.rows, self.columns) = (rows, columns)
    var height = Self.evenPart(rows, most: Self.tallest)
    var width = Self.evenPart(columns, most: Self.widest)
    while Self.parts(rows, height) * Self.parts(columns, width) * times < Self.wanted
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
