/// A matrix of floating-point numbers in one of NumPy's files (`.npy`): float16, float32 or float64 [rows, columns].
public final class NumPyMatrix {
  public let rows: Int
  public let columns: Int
  private let array: NumPyArray

  /// Opens the file at `path` and reads its header.
  ///
  /// - Throws: `DatasetError` if the file is missing, damaged, or holds an array of another kind.
  public init(_ path: String) throws {
    array = try NumPyArray(ReadableFile(path))
    guard array.elementType.dropFirst().first == "f" else {
      throw DatasetError.badData(
        path,
        "holds elements of type \(array.elementType), expected floating-point numbers, such as <f4 (float32)")
    }
    guard array.shape.count == 2 else {
      throw DatasetError.badData(
        path, "has the shape \(array.shape), expected a matrix of two dimensions, such as features [N, D]")
    }
    (rows, columns) = (array.shape[0], array.shape[1])
  }

  /// Reads the rows `range` into `elements` [range.count, columns]; float64 holds all of them exactly.
  ///
  /// - Throws: `DatasetError` if the file cannot be read.
  public func read(rows range: Range<Int>, into elements: UnsafeMutableBufferPointer<Double>) throws {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    precondition(
      elements.count == range.count * columns,
      "\(range.count) rows of \(columns) do not fit \(elements.count) numbers")
    try array.read(into: elements, from: range.lowerBound * columns)
  }
}
