import Kernels
import Synchronization

/// Computes the inner products of all rows of one matrix with all rows of another, block by block, on all threads.
///
/// The blocks depend only on the sizes of the matrices, so the results are the same for every number of threads.
struct PairwiseProducts {
  let left: DoubleMatrix
  let right: DoubleMatrix
  /// Rows of the left matrix per task.
  let rowsPerTask: Int
  /// Rows of the right matrix per product.
  let columnsPerProduct: Int

  init(_ left: DoubleMatrix, _ right: DoubleMatrix, rowsPerTask: Int, columnsPerProduct: Int = 512) {
    precondition(left.columns == right.columns, "\(left.columns) columns against \(right.columns)")
    self.left = left
    self.right = right
    self.rowsPerTask = rowsPerTask
    self.columnsPerProduct = columnsPerProduct
  }

  var tasks: Int { (left.rows + rowsPerTask - 1) / rowsPerTask }

  /// A block of products: `row(i)[j]` is that of left row `rows.lowerBound + i` with right row `columns.lowerBound +
  /// j`.
  struct Block {
    let rows: Range<Int>
    let columns: Range<Int>
    fileprivate let products: UnsafeMutablePointer<Double>
    fileprivate let stride: Int

    func row(_ index: Int) -> UnsafeMutablePointer<Double> { products + index * stride }
  }

  /// Calls `body` with blocks that cover the columns in order, for each task's rows; different tasks run in parallel.
  ///
  /// - Parameter progress: called after each task, on its thread, with the number of rows done.
  func forEachBlock(
    _ pool: ThreadPool, progress: (Int) -> Void, _ body: (_ block: Block, _ task: Int, _ worker: Int) -> Void
  ) {
    let memory = (0..<pool.threadCount).map { _ in
      DoubleMatrix(rows: rowsPerTask, columns: min(columnsPerProduct, right.rows))
    }
    let done = Atomic(0)
    pool.parallelPieces(left.rows, of: rowsPerTask) { rows, worker in
      let products = memory[worker]
      for start in stride(from: 0, to: right.rows, by: columnsPerProduct) {
        let columns = start..<min(start + columnsPerProduct, right.rows)
        DoubleProduct.timesTransposed(
          DoubleBlock(left, rows: rows), DoubleBlock(right, rows: columns), into: products.elements,
          stride: products.columns)
        body(
          Block(rows: rows, columns: columns, products: products.elements, stride: products.columns),
          rows.lowerBound / rowsPerTask, worker)
      }
      progress(done.add(rows.count, ordering: .relaxed).newValue)
    }
  }

  /// The squared norm of each row of `matrix`.
  static func squaredNorms(_ matrix: DoubleMatrix, pool: ThreadPool) -> [Double] {
    var norms = [Double](repeating: 0, count: matrix.rows)
    norms.withUnsafeMutableBufferPointer { norms in
      let norms = norms
      pool.parallelPieces(matrix.rows, of: 256) { rows, _ in
        for row in rows {
          let values = matrix.row(row)
          norms[row] = (0..<matrix.columns).reduce(0) { $0 + values[$1] * values[$1] }
        }
      }
    }
    return norms
  }
}
