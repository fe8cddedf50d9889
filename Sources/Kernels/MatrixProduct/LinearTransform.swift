/// y = act(x W + bias) + residual.
///
/// Layouts: x [R, C], W [C, K], bias [K], y, the residual and the activation's input u = x W + bias [R, K].
public struct LinearTransform: Hashable, Sendable {
  public enum Activation: Sendable {
    case none
    /// x Φ(x): PyTorch's `GELU()`.
    case gelu
    /// The tanh approximation: PyTorch's `GELU(approximate="tanh")`.
    case tanhGELU
    /// x sigmoid(1.702 x): transformers' `quick_gelu`.
    case quickGELU
    /// x sigmoid(x).
    case silu
  }

  public let rows: Int
  public let inputs: Int
  public let outputs: Int
  public let activation: Activation
  public let precision: ProductPrecision

  public init(
    rows: Int, inputs: Int, outputs: Int, activation: Activation = .none,
    precision: ProductPrecision = .float32
  ) {
    precondition(rows > 0 && inputs > 0 && outputs > 0, "[\(rows), \(inputs)] times [\(inputs), \(outputs)]")
    self.rows = rows
    self.inputs = inputs
    self.outputs = outputs
    self.activation = activation
    self.precision = precision.of(inputs: inputs, outputs: outputs)
  }

  /// The size in floats of memory in which all tasks can share packed weights; 0 where that would gain nothing.
  public var packedWeightCount: Int {
    guard rows > ProductTiles.tallest && min(inputs, outputs) >= Vector.width else { return 0 }
    return max(
      SharedFactor.count(depth: inputs, columns: outputs), SharedFactor.count(depth: outputs, columns: inputs)
    )
  }

  /// - Parameters:
  ///   - bias: nil for none.
  ///   - activationInput: receives u if `backward` will follow; only with an activation.
  ///   - packing: `packedWeightCount` floats; nil if each task is to pack the weights that it needs.
  public func forward(
    _ x: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    residual: UnsafePointer<Float>? = nil, activationInput: UnsafeMutablePointer<Float>?,
    output: UnsafeMutablePointer<Float>, packing: UnsafeMutablePointer<Float>? = nil, pool: ThreadPool
  ) {
    let product = activationInput ?? output
    let k = outputs
    let weights = Weights(
      Matrix(weights, rows: inputs, columns: k), precision: precision, packing: packing, pool: pool)
    let tiles = ProductTiles(rows: rows, columns: k, tasks: Self.tasks(pool))
    pool.parallel(tiles.count) { tile, _ in
      let (rows, columns) = tiles[tile]
      let place = rows.lowerBound * k + columns.lowerBound
      weights.multiply(
        Matrix(x + rows.lowerBound * inputs, rows: rows.count, columns: inputs), columns: columns,
        into: product + place, stride: k)
      if bias == nil && residual == nil && activation == .none { return }
      // Apply bias, activation and residual while the tile is in cache.
      for row in 0..<rows.count {
        let (u, y) = (product + (place + row * k), output + (place + row * k))
        let bias = bias.map { $0 + columns.lowerBound }
        let addend = residual.map { $0 + (place + row * k) }
        let isKept = activationInput != nil
        switch activation {
        case .none: Self.addBias(bias, addend, u, y, keeping: false, columns.count) { $0 }
        case .gelu: Self.addBias(bias, addend, u, y, keeping: isKept, columns.count) { $0.gelu }
        case .tanhGELU: Self.addBias(bias, addend, u, y, keeping: isKept, columns.count) { $0.tanhGELU }
        case .quickGELU: Self.addBias(bias, addend, u, y, keeping: isKept, columns.count) { $0.quickGELU }
        case .silu: Self.addBias(bias, addend, u, y, keeping: isKept, columns.count) { $0.silu }
        }
      }
    }
  }

  /// Writes dx, and accumulates the gradients of weights and bias; nil skips a gradient. That of the residual is dy
  /// itself.
  ///
  /// - Parameters:
  ///   - activationInput: u, overwritten with its gradient; only with an activation.
  ///   - workspace: `workspaceCount` floats; nil for the pool's workspace.
  ///   - packing: as in `forward`.
  public func backward(
    _ x: UnsafePointer<Float>, weights: UnsafePointer<Float>, activationInput: UnsafeMutablePointer<Float>?,
    outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>?,
    weightGradient: GradientSum?, biasGradient: UnsafeMutablePointer<Float>?,
    workspace: UnsafeMutablePointer<Float>? = nil, packing: UnsafeMutablePointer<Float>? = nil,
    pool: ThreadPool
  ) {
    var gradient = outputGradient
    switch (activation, activationInput) {
    case (.none, _): break
    case (_, nil): preconditionFailure("the gradient of \(activation) needs its input")
    case (.gelu, let u?):
      multiply(u, by: outputGradient, pool) { $0.geluSlope }
      gradient = UnsafePointer(u)
    case (.tanhGELU, let u?):
      multiply(u, by: outputGradient, pool) { $0.tanhGELUSlope }
      gradient = UnsafePointer(u)
    case (.quickGELU, let u?):
      multiply(u, by: outputGradient, pool) { $0.quickGELUSlope }
      gradient = UnsafePointer(u)
    case (.silu, let u?):
      multiply(u, by: outputGradient, pool) { $0.siluSlope }
      gradient = UnsafePointer(u)
    }
    if let biasGradient {
      Reduction.addColumnSums(gradient, rows: rows, columns: outputs, to: biasGradient, pool: pool)
    }
    if let weightGradient { addWeightGradient(x, gradient, to: weightGradient, workspace, pool) }
    if let inputGradient {
      let weights = Weights(
        Matrix(weights, rows: inputs, columns: outputs).transposed, precision: precision, packing: packing,
        pool: pool)
      let tiles = ProductTiles(rows: rows, columns: inputs, tasks: Self.tasks(pool))
      pool.parallel(tiles.count) { tile, _ in
        let (rows, columns) = tiles[tile]
        weights.multiply(
          Matrix(gradient + rows.lowerBound * outputs, rows: rows.count, columns: outputs), columns: columns,
          into: inputGradient + (rows.lowerBound * inputs + columns.lowerBound), stride: inputs)
      }
    }
  }

  /// The right factor of the tiles of a product.
  private struct Weights {
    private let matrix: Matrix
    private let precision: ProductPrecision
    private let shared: SharedFactor?

    init(
      _ matrix: Matrix, precision: ProductPrecision, packing: UnsafeMutablePointer<Float>?, pool: ThreadPool
    ) {
      self.matrix = matrix
      self.precision = precision
      shared = packing.map { SharedFactor(matrix, precision: precision, memory: $0, pool: pool) }
    }

    func multiply(
      _ left: Matrix, columns: Range<Int>, into output: UnsafeMutablePointer<Float>, stride: Int
    ) {
      if let shared {
        shared.multiply(left, columns: columns, into: output, stride: stride)
      } else {
        MatrixProduct.compute(
          left, matrix.columnBlock(columns), into: output, stride: stride, precision: precision)
      }
    }
  }

  /// A few for each thread, so that all end at about the same time. Fewer tiles are larger, and less is packed for each.
  private static func tasks(_ pool: ThreadPool) -> Int { pool.threadCount == 1 ? 1 : 4 * pool.threadCount }

  /// The minimal number of tasks for a weights' gradient; if it has fewer tiles, their sums are split into parts.
  private static let weightTasks = 8
  private static let fewestRowsPerSum = 256

  /// The number of partial sums over rows of the weights' gradient, and the number of rows in each.
  private var weightSums: (count: Int, rows: Int) {
    let tiles = ProductTiles(rows: inputs, columns: outputs)
    let wanted = min((Self.weightTasks + tiles.count - 1) / tiles.count, max(1, rows / Self.fewestRowsPerSum))
    let rowsPerSum = (rows + wanted - 1) / wanted
    return ((rows + rowsPerSum - 1) / rowsPerSum, rowsPerSum)
  }

  /// The size of the workspace for the weights' gradient, in floats.
  var workspaceCount: Int { weightSums.count > 1 ? weightSums.count * inputs * outputs : 0 }

  /// gradient += xᵀ du.
  private func addWeightGradient(
    _ x: UnsafePointer<Float>, _ outputGradient: UnsafePointer<Float>,
    to gradient: GradientSum, _ workspace: UnsafeMutablePointer<Float>?, _ pool: ThreadPool
  ) {
    let (c, k) = (inputs, outputs)
    let tiles = ProductTiles(rows: c, columns: k, tasks: Self.tasks(pool))
    let (sums, rowsPerSum) = weightSums
    let partial = sums > 1 ? workspace ?? pool.workspace(workspaceCount) : gradient.memory
    pool.parallel(tiles.count * sums) { task, _ in
      let (inputs, outputs) = tiles[task % tiles.count]
      let sum = task / tiles.count
      let range = sum * rowsPerSum..<min((sum + 1) * rowsPerSum, rows)
      MatrixProduct.compute(
        Matrix(
          x + (range.lowerBound * c + inputs.lowerBound), rows: range.count, columns: inputs.count, stride: c
        ).transposed,
        Matrix(
          outputGradient + (range.lowerBound * k + outputs.lowerBound), rows: range.count,
          columns: outputs.count, stride: k),
        into: partial + (sum * c * k + inputs.lowerBound * k + outputs.lowerBound), stride: k,
        accumulating: sums == 1 && gradient.isBegun, precision: precision)
    }
    if sums > 1 { Reduction.addPieces(partial, pieces: sums, count: c * k, to: gradient, pool: pool) }
  }

  /// y = act(u + bias) + residual; also writes u + bias if it is kept.
  @inline(__always)
  private static func addBias(
    _ bias: UnsafePointer<Float>?, _ residual: UnsafePointer<Float>?, _ u: UnsafeMutablePointer<Float>,
    _ y: UnsafeMutablePointer<Float>, keeping: Bool, _ count: Int, _ activate: (Vector) -> Vector
  ) {
    forEachVector(count) { index in
      let sum = Vector(from: u + index) + (bias.map { Vector(from: $0 + index) } ?? Vector(repeating: 0))
      if keeping { sum.store(to: u + index) }
      let value = activate(sum)
      (residual.map { Vector(from: $0 + index) + value } ?? value).store(to: y + index)
    } rest: { index, rest in
      let sum =
        Vector(from: u + index, count: rest)
        + (bias.map { Vector(from: $0 + index, count: rest) } ?? Vector(repeating: 0))
      if keeping { sum.store(to: u + index, count: rest) }
      let value = activate(sum)
      (residual.map { Vector(from: $0 + index, count: rest) + value } ?? value).store(
        to: y + index, count: rest)
    }
  }

  /// u = gradient slope(u).
  @inline(__always)
  private func multiply(
    _ u: UnsafeMutablePointer<Float>, by gradient: UnsafePointer<Float>, _ pool: ThreadPool,
    _ slope: (Vector) -> Vector
  ) {
    pool.parallelPieces(rows * outputs, of: 16_384) { piece, _ in
      forEachVector(piece.count) { index in
        let at = piece.lowerBound &+ index
        (Vector(from: gradient + at) * slope(Vector(from: u + at))).store(to: u + at)
      } rest: { index, rest in
        let at = piece.lowerBound &+ index
        (Vector(from: gradient + at, count: rest) * slope(Vector(from: u + at, count: rest))).store(
          to: u + at, count: rest)
      }
    }
  }
}
