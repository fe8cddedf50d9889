/// y = a bᵀ: the dot products of each row of a [M, C] with each row of b [N, C] -> [M, N].
public struct TransposedProduct: Sendable {
  public let leftRows: Int
  public let rightRows: Int
  public let columns: Int

  public init(leftRows: Int, rightRows: Int, columns: Int) {
    precondition(
      leftRows > 0 && rightRows > 0 && columns > 0,
      "[\(leftRows), \(columns)] times the transpose of [\(rightRows), \(columns)]")
    self.leftRows = leftRows
    self.rightRows = rightRows
    self.columns = columns
  }

  public func forward(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    let (c, n) = (columns, rightRows)
    let tiles = ProductTiles(rows: leftRows, columns: n)
    pool.parallel(tiles.count) { tile, _ in
      let (rows, columns) = tiles[tile]
      MatrixProduct.compute(
        Matrix(a + rows.lowerBound * c, rows: rows.count, columns: c),
        Matrix(b + columns.lowerBound * c, rows: columns.count, columns: c).transposed,
        into: output + (rows.lowerBound * n + columns.lowerBound), stride: n)
    }
  }

  /// Writes da = dy b and db = dyᵀ a; nil skips a gradient.
  public func backward(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    leftGradient: UnsafeMutablePointer<Float>?, rightGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    let (c, n) = (columns, rightRows)
    if let leftGradient {
      let tiles = ProductTiles(rows: leftRows, columns: c)
      pool.parallel(tiles.count) { tile, _ in
        let (rows, columns) = tiles[tile]
        MatrixProduct.compute(
          Matrix(outputGradient + rows.lowerBound * n, rows: rows.count, columns: n),
          Matrix(b + columns.lowerBound, rows: n, columns: columns.count, stride: c),
          into: leftGradient + (rows.lowerBound * c + columns.lowerBound), stride: c)
      }
    }
    if let rightGradient {
      let tiles = ProductTiles(rows: n, columns: c)
      pool.parallel(tiles.count) { tile, _ in
        let (rows, columns) = tiles[tile]
        MatrixProduct.compute(
          Matrix(outputGradient + rows.lowerBound, rows: leftRows, columns: rows.count, stride: n).transposed,
          Matrix(a + columns.lowerBound, rows: leftRows, columns: columns.count, stride: c),
          into: rightGradient + (rows.lowerBound * c + columns.lowerBound), stride: c)
      }
    }
  }
}
