/// Weight standardisation (Qiao et al., 2019): normalises the weights of each output channel to mean 0 and variance 1.
///
/// Layouts: weights [F, K], where F = R * R * C is the number of weights per output channel, statistics [2, K] (means,
/// then 1 / sqrt(variance + eps)).
public enum WeightStandardization {
  public static let epsilon: Float = 1e-5

  /// The number of output channels per task: the cache lines of two vectors stay in the L2 cache while they are read
  /// three times.
  private static let block = 32

  public static func forward(
    _ weights: UnsafePointer<Float>, fanIn: Int, outputs: Int, standardized: UnsafeMutablePointer<Float>,
    statistics: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let share = Vector(repeating: 1 / Float(fanIn))
    let epsilon = Vector(repeating: epsilon)
    forEachColumns(outputs, pool) { columns in
      var sum = Columns()
      for f in 0..<fanIn { sum = sum + columns.load(weights + f &* outputs) }
      let mean = sum * share
      var squares = Columns()
      for f in 0..<fanIn {
        let d = columns.load(weights + f &* outputs) - mean
        squares = d.times(d, plus: squares)
      }
      let inverse = (squares * share).map { Vector(repeating: 1) / ($0 + epsilon).squareRoot() }
      for f in 0..<fanIn {
        columns.store(
          (columns.load(weights + f &* outputs) - mean) * inverse, to: standardized + f &* outputs)
      }
      columns.store(mean, to: statistics)
      columns.store(inverse, to: statistics + outputs)
    }
  }

  /// Standardises with the statistics from `forward`.
  public static func apply(
    _ statistics: UnsafePointer<Float>, to weights: UnsafePointer<Float>, fanIn: Int, outputs: Int,
    standardized: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    forEachColumns(outputs, pool) { columns in
      let (mean, inverse) = (columns.load(statistics), columns.load(statistics + outputs))
      for f in 0..<fanIn {
        columns.store(
          (columns.load(weights + f &* outputs) - mean) * inverse, to: standardized + f &* outputs)
      }
    }
  }

  /// Accumulates in `gradient`, for standardised weights w^ with gradient g: dw = (g - mean(g) - w^ mean(g w^)) /
  /// sqrt(variance + eps).
  public static func addGradient(
    _ standardized: UnsafePointer<Float>, statistics: UnsafePointer<Float>,
    standardizedGradient: UnsafePointer<Float>,
    fanIn: Int, outputs: Int, gradient: GradientSum, pool: ThreadPool
  ) {
    let share = Vector(repeating: 1 / Float(fanIn))
    forEachColumns(outputs, pool) { columns in
      let inverse = columns.load(statistics + outputs)
      var (first, second) = (Columns(), Columns())
      for f in 0..<fanIn {
        let g = columns.load(standardizedGradient + f &* outputs)
        first = first + g
        second = g.times(columns.load(standardized + f &* outputs), plus: second)
      }
      let (mean, slope) = (first * share, second * share)
      for f in 0..<fanIn {
        let centered = columns.load(standardizedGradient + f &* outputs) - mean
        let w = columns.load(standardized + f &* outputs)
        let place = gradient.memory + f &* outputs
        let value = centered - w * slope
        columns.store(
          gradient.isBegun ? value.times(inverse, plus: columns.load(place)) : value * inverse, to: place)
      }
    }
  }

  /// Two vectors of output channels; the second, or both, may be partly filled.
  private struct Columns {
    var left = Vector(repeating: 0)
    var right = Vector(repeating: 0)

    @inline(__always) func map(_ f: (Vector) -> Vector) -> Columns { Columns(left: f(left), right: f(right)) }
    @inline(__always) func times(_ factor: Columns, plus addend: Columns) -> Columns {
      Columns(
        left: left.times(factor.left, plus: addend.left), right: right.times(factor.right, plus: addend.right)
      )
    }
    @inline(__always) static func + (a: Columns, b: Columns) -> Columns {
      Columns(left: a.left + b.left, right: a.right + b.right)
    }
    @inline(__always) static func - (a: Columns, b: Columns) -> Columns {
      Columns(left: a.left - b.left, right: a.right - b.right)
    }
    @inline(__always) static func * (a: Columns, b: Columns) -> Columns {
      Columns(left: a.left * b.left, right: a.right * b.right)
    }
    @inline(__always) static func * (a: Columns, b: Vector) -> Columns {
      Columns(left: a.left * b, right: a.right * b)
    }
  }

  /// The output channels of a task, at most `block`.
  private struct Place {
    let first: Int
    let count: Int

    @inline(__always) func load(_ row: UnsafePointer<Float>) -> Columns {
      let start = row + first
      if count == block {
        return Columns(left: Vector(from: start), right: Vector(from: start + Vector.width))
      }
      if count >= Vector.width {
        return Columns(
          left: Vector(from: start), right: Vector(from: start + Vector.width, count: count &- Vector.width))
      }
      return Columns(left: Vector(from: start, count: count))
    }

    @inline(__always) func load(_ row: UnsafeMutablePointer<Float>) -> Columns { load(UnsafePointer(row)) }

    @inline(__always) func store(_ columns: Columns, to row: UnsafeMutablePointer<Float>) {
      let start = row + first
      if count == block {
        columns.left.store(to: start)
        columns.right.store(to: start + Vector.width)
      } else if count >= Vector.width {
        columns.left.store(to: start)
        columns.right.store(to: start + Vector.width, count: count &- Vector.width)
      } else {
        columns.left.store(to: start, count: count)
      }
    }
  }

  @inline(__always)
  private static func forEachColumns(_ outputs: Int, _ pool: ThreadPool, _ body: (Place) -> Void) {
    pool.parallelPieces(outputs, of: block) { columns, _ in
      body(Place(first: columns.lowerBound, count: columns.count))
    }
  }
}
