import Foundation

/// Operations on each element by itself.
public enum Elementwise {
  /// Elements that one task works on.
  private static let piece = 16_384

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
      let u = load(x, at, rest)
      save(u * u.sigmoid, to: output, at, rest)
    }
  }

  /// inputGradient = outputGradient d(x sigmoid(x))/dx.
  public static func siluGradient(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>,
    count: Int, pool: ThreadPool
  ) {
    map(count, pool) { at, rest in
      let u = load(x, at, rest)
      let s = u.sigmoid
      let slope = s * (Vector(repeating: 1) - s).times(u, plus: Vector(repeating: 1))
      save(load(outputGradient, at, rest) * slope, to: inputGradient, at, rest)
    }
  }

  /// output = x Φ(x), Φ the normal distribution function (Hendrycks and Gimpel, 2016): PyTorch's exact GELU.
  public static func gelu(
    _ x: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool
  ) {
    pool.parallelPieces(count, of: piece) { range, _ in
      for at in range { output[at] = 0.5 * x[at] * (1 + erf(x[at] * Float(0.5).squareRoot())) }
    }
  }

  /// inputGradient = outputGradient (Φ(x) + x φ(x)), φ the normal density.
  public static func geluGradient(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>,
    count: Int, pool: ThreadPool
  ) {
    let densityAtZero = Float(1 / (2 * Double.pi).squareRoot())
    pool.parallelPieces(count, of: piece) { range, _ in
      for at in range {
        let distribution = 0.5 * (1 + erf(x[at] * Float(0.5).squareRoot()))
        let density = densityAtZero * exp(-0.5 * x[at] * x[at])
        inputGradient[at] = outputGradient[at] * (distribution + x[at] * density)
      }
    }
  }

  @inline(__always)
  private static func map(_ count: Int, _ pool: ThreadPool, _ body: (_ at: Int, _ rest: Int?) -> Void) {
    pool.parallelPieces(count, of: piece) { range, _ in
      forEachVector(range.count) { index in
        body(range.lowerBound &+ index, nil)
      } rest: { index, rest in
        body(range.lowerBound &+ index, rest)
      }
    }
  }

  @inline(__always)
  private static func load(_ x: UnsafePointer<Float>, _ at: Int, _ rest: Int?) -> Vector {
    if let rest { Vector(from: x + at, count: rest) } else { Vector(from: x + at) }
  }

  @inline(__always)
  private static func save(_ value: Vector, to y: UnsafeMutablePointer<Float>, _ at: Int, _ rest: Int?) {
    if let rest { value.store(to: y + at, count: rest) } else { value.store(to: y + at) }
  }
}
