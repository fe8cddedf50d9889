extension Elementwise {
  /// output = a - b.
  public static func subtract(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int,
    pool: ThreadPool
  ) {
    map(count, pool) { at, rest in save(load(a, at, rest) - load(b, at, rest), to: output, at, rest) }
  }

  /// output = a b.
  public static func multiply(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int,
    pool: ThreadPool
  ) {
    map(count, pool) { at, rest in save(load(a, at, rest) * load(b, at, rest), to: output, at, rest) }
  }

  /// output = factor x + constant, rounding the product first. `output` may be `x`.
  public static func scale(
    _ x: UnsafePointer<Float>, by factor: Float, adding constant: Float = 0,
    output: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    let (factor, constant) = (Vector(repeating: factor), Vector(repeating: constant))
    map(count, pool) { at, rest in save(load(x, at, rest) * factor + constant, to: output, at, rest) }
  }

  /// sum[i] += Σ over b of x[b, i], for [B, size], in the order of the images.
  public static func addSumOverEach(
    _ x: UnsafePointer<Float>, batch: Int, size: Int, to sum: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallelPieces(size, of: 4096) { range, _ in
      for image in 0..<batch {
        Reduction.add(x + (image * size + range.lowerBound), to: sum + range.lowerBound, count: range.count)
      }
    }
  }
}
