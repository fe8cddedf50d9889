/// Elementwise operations.
public enum Elementwise {
  /// The number of elements per task.
  static let piece = 16_384

  /// Fills `rows` rows with copies of `row`, on the calling thread.
  ///
  /// - Parameter stride: the distance between rows in floats.
  static func fillRows(
    _ target: UnsafeMutablePointer<Float>, rows: Int, stride: Int, with row: UnsafePointer<Float>, count: Int
  ) {
    for index in 0..<rows { (target + index &* stride).update(from: row, count: count) }
  }

  /// output = x, for memory that does not overlap.
  public static func copy(
    _ x: UnsafePointer<Float>, to output: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    pool.parallelPieces(count, of: piece) { range, _ in
      (output + range.lowerBound).update(from: x + range.lowerBound, count: range.count)
    }
  }

  /// output = a + b. `output` may be `a` or `b`.
  public static func add(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int,
    pool: ThreadPool
  ) {
    pool.parallelPieces(count, of: piece) { range, _ in
      forEachVector(range.count) { index in
        let at = range.lowerBound &+ index
        (Vector(from: a + at) + Vector(from: b + at)).store(to: output + at)
      } rest: { index, rest in
        for at in range.lowerBound + index..<range.lowerBound + index + rest { output[at] = a[at] + b[at] }
      }
    }
  }

  /// output[b, i] = x[b, i] + addend[i], for [B, size].
  public static func addToEach(
    _ x: UnsafePointer<Float>, _ addend: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>,
    batch: Int, size: Int, pool: ThreadPool
  ) {
    pool.parallel(batch) { index, _ in
      let (x, output) = (x + index * size, output + index * size)
      forEachVector(size) { at in
        (Vector(from: x + at) + Vector(from: addend + at)).store(to: output + at)
      } rest: { at, rest in
        for at in at..<at + rest { output[at] = x[at] + addend[at] }
      }
    }
  }

  /// output = max(x, 0).
  public static func relu(
    _ x: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in save(load(x, at, rest).rectified, to: output, at, rest) }
  }

  /// inputGradient = outputGradient where x > 0, else 0.
  public static func reluGradient(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>,
    count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in
      save(
        load(outputGradient, at, rest).passed(byRectified: load(x, at, rest)), to: inputGradient, at, rest)
    }
  }

  /// output = x sigmoid(x).
  public static func silu(
    _ x: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in
      save(load(x, at, rest).silu, to: output, at, rest)
    }
  }

  /// inputGradient = outputGradient d(x sigmoid(x))/dx.
  public static func siluGradient(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>,
    count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in
      save(load(outputGradient, at, rest) * load(x, at, rest).siluSlope, to: inputGradient, at, rest)
    }
  }

  /// output = x Φ(x), with the normal distribution function Φ (Hendrycks and Gimpel, 2016): PyTorch's exact GELU.
  public static func gelu(
    _ x: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in save(load(x, at, rest).gelu, to: output, at, rest) }
  }

  /// inputGradient = outputGradient (Φ(x) + x φ(x)), with the normal density φ.
  public static func geluGradient(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>,
    count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in
      save(load(outputGradient, at, rest) * load(x, at, rest).geluSlope, to: inputGradient, at, rest)
    }
  }

  // MARK: Helpers of the extensions

  @inline(__always)
  static func map(_ count: Int, _ pool: ThreadPool, _ body: (_ at: Int, _ rest: Int?) -> Void) {
    pool.parallelPieces(count, of: piece) { range, _ in
      forEachVector(range.count) { index in
        body(range.lowerBound &+ index, nil)
      } rest: { index, rest in
        body(range.lowerBound &+ index, rest)
      }
    }
  }

  @inline(__always)
  static func load(_ x: UnsafePointer<Float>, _ at: Int, _ rest: Int?) -> Vector {
    if let rest { Vector(from: x + at, count: rest) } else { Vector(from: x + at) }
  }

  @inline(__always)
  static func save(_ value: Vector, to y: UnsafeMutablePointer<Float>, _ at: Int, _ rest: Int?) {
    if let rest { value.store(to: y + at, count: rest) } else { value.store(to: y + at) }
  }
}
