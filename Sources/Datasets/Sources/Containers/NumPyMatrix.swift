import HDF5

/// A floating-point matrix in a NumPy file (`.npy`): float16, float32 or float64 [rows, columns], in C or Fortran
/// order.
public final class NumPyMatrix {
  public let rows: Int
  public let columns: Int
  private let array: NumPyNumbers

  /// Opens the file at `path` and reads its header.
  ///
  /// - Throws: `DatasetError` if the file is missing, damaged, or holds an array of another kind.
  public init(_ path: String) throws {
    let bytes = try ReadableFile(path)
    if try bytes.bytes(min(bytes.size, 4), at: 0).starts(with: [0x50, 0x4B]) {
      throw DatasetError.badData(
        path, "is an archive (.npz), expected one array (.npy), as numpy.save writes it")
    }
    let file = try NumPyArray(bytes)
    array = try NumPyNumbers(file, name: path)
    guard array.type.isFloatingPoint else {
      throw DatasetError.badData(
        path,
        "holds elements of type \(file.descriptor), expected floating-point numbers, such as <f4 (float32)")
    }
    let shape = array.isReversed ? array.shape.reversed() : array.shape
    guard shape.count == 2 else {
      throw DatasetError.badData(
        path, "has the shape \(shape), expected a matrix of two dimensions, such as features [N, D]")
    }
    (rows, columns) = (shape[0], shape[1])
  }

  /// Reads the rows `range` into `elements` [range.count, columns]; float64 represents all types exactly.
  ///
  /// - Throws: `DatasetError` if the file cannot be read.
  public func read(rows range: Range<Int>, into elements: UnsafeMutableBufferPointer<Double>) throws {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    precondition(
      elements.count == range.count * columns,
      "\(range.count) rows of \(columns) do not fit \(elements.count) numbers")
    let type = array.type
    try withUnsafeTemporaryAllocation(byteCount: elements.count * (type.byteCount ?? 1), alignment: 16) {
      stored in
      guard let start = stored.baseAddress, !elements.isEmpty else { return }
      if array.isReversed {
        try array.read(into: stored, offset: [0, range.lowerBound], count: [columns, range.count])
      } else {
        try array.read(into: stored, offset: [range.lowerBound, 0], count: [range.count, columns])
      }
      for row in 0..<range.count {
        for column in 0..<columns {
          let place = array.isReversed ? column * range.count + row : row * columns + column
          elements[row * columns + column] = type.number(at: place, in: start)
        }
      }
    }
  }
}
