import Datasets

/// The features of a set of images: N rows of D values.
///
/// Features are kept in float64, which represents the values of float32 files and networks exactly.
public struct FeatureSet {
  /// The name of the set in messages: the path that it was read or computed from.
  public let name: String
  let matrix: DoubleMatrix

  /// N, the number of images.
  public var count: Int { matrix.rows }
  /// D, the number of features per image.
  public var width: Int { matrix.columns }

  /// - Throws: `EvaluationError` if there are no rows or no columns, or a value is not finite.
  init(name: String, _ matrix: DoubleMatrix) throws {
    guard matrix.rows > 0, matrix.columns > 0 else {
      throw EvaluationError(
        name, "is empty: [\(matrix.rows), \(matrix.columns)] features, expected at least one image")
    }
    for row in 0..<matrix.rows {
      let values = matrix.row(row)
      for column in 0..<matrix.columns where !values[column].isFinite {
        throw EvaluationError(
          name, "row \(row), column \(column) of its features is \(values[column]), expected finite numbers")
      }
    }
    self.name = name
    self.matrix = matrix
  }

  /// - Parameters:
  ///   - values: [count, width], row-major.
  /// - Throws: `EvaluationError` as above.
  public init(name: String, count: Int, width: Int, values: some Collection<Float>) throws {
    precondition(values.count == count * width, "\(values.count) values for [\(count), \(width)]")
    let matrix = DoubleMatrix(rows: count, columns: width)
    for (index, value) in values.enumerated() { matrix.elements[index] = Double(value) }
    try self.init(name: name, matrix)
  }

  /// - Parameters:
  ///   - values: [count, width], row-major.
  /// - Throws: `EvaluationError` as above.
  public init(name: String, count: Int, width: Int, values: some Collection<Double>) throws {
    precondition(values.count == count * width, "\(values.count) values for [\(count), \(width)]")
    let matrix = DoubleMatrix(rows: count, columns: width)
    for (index, value) in values.enumerated() { matrix.elements[index] = value }
    try self.init(name: name, matrix)
  }

  /// Reads an array of features, float16, float32 or float64 [N, D], in NumPy's format.
  ///
  /// - Throws: `DatasetError` for any other file; `EvaluationError` as above.
  public init(file path: String) throws {
    let file = try NumPyMatrix(path)
    let matrix = DoubleMatrix(rows: file.rows, columns: file.columns)
    let piece = max(1, (1 << 20) / max(file.columns, 1))
    for start in stride(from: 0, to: file.rows, by: piece) {
      let rows = start..<min(start + piece, file.rows)
      try file.read(
        rows: rows,
        into: UnsafeMutableBufferPointer(start: matrix.row(start), count: rows.count * file.columns))
    }
    try self.init(name: path, matrix)
  }

  /// - Throws: `EvaluationError` unless the features of both sets have the same width.
  static func requireSameWidth(_ a: FeatureSet, _ b: FeatureSet) throws {
    guard a.width == b.width else {
      throw EvaluationError(
        a.name,
        "its features have \(a.width) numbers, those of \(b.name) \(b.width); both sets need features of one kind, and images of one shape if their pixels are compared"
      )
    }
  }

  /// - Throws: `EvaluationError` if there are fewer than `least` images.
  func require(atLeast least: Int, for what: String) throws {
    guard count >= least else {
      throw EvaluationError(
        name, "has \(count) images, too few for \(what), which needs at least \(least)")
    }
  }
}
