/// Layer normalisation (Ba et al., 2016) of each token, with an optional gain and bias and an optional scale and shift
/// for each image (DiT's adaptive layer norm: Peebles and Xie, 2022):
/// y = (x^ gamma + beta)(1 + scale) + shift, x^ = (x - mean) / sqrt(variance + eps).
///
/// Layouts: x, y [B, N, C], gamma, beta [C], scale and shift C columns each of a [B, M] matrix, statistics [B, N, 2]
/// (mean, 1 / sqrt(variance + eps)). The variance is the biased variance of a token's C values.
public struct LayerNormalization: Hashable, Sendable {
  /// A scale and a shift for each image.
  public struct Modulation {
    /// The pointers for the first image.
    public let scale: UnsafePointer<Float>
    public let shift: UnsafePointer<Float>
    /// The distance between images in floats.
    public let stride: Int

    public init(scale: UnsafePointer<Float>, shift: UnsafePointer<Float>, stride: Int) {
      self.scale = scale
      self.shift = shift
      self.stride = stride
    }
  }

  public let batch: Int
  public let tokens: Int
  public let channels: Int
  public let epsilon: Float

  private var pieces: TokenPieces { TokenPieces(batch: batch, tokens: tokens) }

  public init(batch: Int, tokens: Int, channels: Int, epsilon: Float) {
    precondition(batch > 0 && tokens > 0 && channels > 0, "[\(batch), \(tokens), \(channels)]")
    self.batch = batch
    self.tokens = tokens
    self.channels = channels
    self.epsilon = epsilon
  }

  public func forward(
    _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>?, beta: UnsafePointer<Float>?,
    modulation: Modulation?, output: UnsafeMutablePointer<Float>,
    statistics: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let c = channels
    pool.parallel(pieces.count) { task, worker in
      let (image, rows) = pieces.piece(task)
      let a = pool.scratch(2 * c, worker: worker)
      let b = a + c
      fillTables(a, b, gamma, beta, modulation, image)
      for row in rows {
        let (source, target) = (x + row &* c, output + row &* c)
        let mean = Self.sum(source, c) { $0 } / Float(c)
        let center = Vector(repeating: mean)
        let variance =
          Self.sum(source, c, fill: mean) { value in
            let d = value - center
            return d * d
          } / Float(c)
        let inverse = 1 / (variance + epsilon).squareRoot()
        statistics[2 &* row] = mean
        statistics[2 &* row &+ 1] = inverse
        let factor = Vector(repeating: inverse)
        forEachVector(c) { index in
          let normalized = (Vector(from: source + index) - center) * factor
          normalized.times(Vector(from: a + index), plus: Vector(from: b + index)).store(to: target + index)
        } rest: { index, rest in
          for at in index..<index &+ rest { target[at] = (source[at] - mean) * inverse * a[at] + b[at] }
        }
      }
    }
  }

  /// Writes dx, plus `addend` if there is one, and accumulates the gradients of gamma, beta, scale and shift unless
  /// they are nil. Those of scale and shift have the stride of the modulation.
  ///
  /// With w = gamma (1 + scale): dx = (w dy - Σ w dy / C - x^ Σ w dy x^ / C) / sqrt(variance + eps), with sums over the
  /// channels of a token. The other gradients follow from Σ dy and Σ dy x^ over the tokens of an image.
  public func backward(
    _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>?, beta: UnsafePointer<Float>?,
    modulation: Modulation?, statistics: UnsafePointer<Float>,
    outputGradient: UnsafePointer<Float>, addend: UnsafePointer<Float>? = nil,
    inputGradient: UnsafeMutablePointer<Float>,
    gammaGradient: UnsafeMutablePointer<Float>?, betaGradient: UnsafeMutablePointer<Float>?,
    scaleGradient: UnsafeMutablePointer<Float>?, shiftGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    let c = channels
    // For each piece, Σ dy, then Σ dy x^.
    let partial = FloatMemory.allocate(pieces.count * 2 * c)
    defer { partial.deallocate() }
    let sums = partial.baseAddress!
    pool.parallel(pieces.count) { task, worker in
      let (image, rows) = pieces.piece(task)
      let w = pool.scratch(2 * c, worker: worker)
      fillTables(w, w + c, gamma, beta, modulation, image)
      let shiftSums = sums + task * 2 * c
      shiftSums.update(repeating: 0, count: 2 * c)
      for row in rows {
        inputGradientRow(
          x + row &* c, w, mean: statistics[2 &* row], inverse: statistics[2 &* row &+ 1],
          outputGradient + row &* c, addend.map { $0 + row &* c }, inputGradient + row &* c, shiftSums,
          shiftSums + c)
      }
    }
    for image in 0..<batch {
      let total = sums + pieces.pieces(of: image).lowerBound * 2 * c
      for piece in pieces.pieces(of: image).dropFirst() {
        Reduction.add(sums + piece * 2 * c, to: total, count: 2 * c)
      }
      let scale = modulation.map { $0.scale + image * $0.stride }
      for index in 0..<c {
        let (shiftSum, scaleSum) = (total[index], total[c + index])
        let factor = 1 + (scale?[index] ?? 0)
        gammaGradient?[index] += factor * scaleSum
        betaGradient?[index] += factor * shiftSum
        let at = image * (modulation?.stride ?? 0) + index
        scaleGradient?[at] += (gamma?[index] ?? 1) * scaleSum + (beta?[index] ?? 0) * shiftSum
        shiftGradient?[at] += shiftSum
      }
    }
  }

  /// Prepares y = a x^ + b.
  private func fillTables(
    _ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>, _ gamma: UnsafePointer<Float>?,
    _ beta: UnsafePointer<Float>?, _ modulation: Modulation?, _ image: Int
  ) {
    let scale = modulation.map { $0.scale + image * $0.stride }
    let shift = modulation.map { $0.shift + image * $0.stride }
    for index in 0..<channels {
      let factor = 1 + (scale?[index] ?? 0)
      a[index] = (gamma?[index] ?? 1) * factor
      b[index] = (beta?[index] ?? 0) * factor + (shift?[index] ?? 0)
    }
  }

  /// Writes dx of one token, plus its part of `addend`, and accumulates dy and dy x^ in the sums.
  @inline(__always)
  private func inputGradientRow(
    _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, mean: Float, inverse: Float,
    _ dy: UnsafePointer<Float>, _ addend: UnsafePointer<Float>?, _ dx: UnsafeMutablePointer<Float>,
    _ shiftSums: UnsafeMutablePointer<Float>, _ scaleSums: UnsafeMutablePointer<Float>
  ) {
    let (center, factor) = (Vector(repeating: mean), Vector(repeating: inverse))
    var (first, second) = (Vector(repeating: 0), Vector(repeating: 0))
    forEachVector(channels) { index in
      let gradient = Vector(from: dy + index)
      let normalized = (Vector(from: x + index) - center) * factor
      let weighted = gradient * Vector(from: w + index)
      first += weighted
      second = weighted.times(normalized, plus: second)
      (Vector(from: shiftSums + index) + gradient).store(to: shiftSums + index)
      gradient.times(normalized, plus: Vector(from: scaleSums + index)).store(to: scaleSums + index)
    } rest: { index, rest in
      for at in index..<index &+ rest {
        let normalized = (x[at] - mean) * inverse
        first[at &- index] += dy[at] * w[at]
        second[at &- index] += dy[at] * w[at] * normalized
        shiftSums[at] += dy[at]
        scaleSums[at] += dy[at] * normalized
      }
    }
    // dx = p dy w + q x + r.
    let n = Float(channels)
    let q = -inverse * inverse * second.total / n
    let r = -inverse * first.total / n - q * mean
    forEachVector(channels) { index in
      let weighted = Vector(from: dy + index) * Vector(from: w + index)
      let rest = Vector(from: x + index).times(Vector(repeating: q), plus: Vector(repeating: r))
      let value = weighted.times(factor, plus: rest)
      (addend.map { Vector(from: $0 + index) + value } ?? value).store(to: dx + index)
    } rest: { index, rest in
      for at in index..<index &+ rest {
        dx[at] = dy[at] * w[at] * inverse + x[at] * q + r + (addend?[at] ?? 0)
      }
    }
  }

  /// Σ of `term` over a row; lanes beyond its end are `fill`.
  @inline(__always)
  private static func sum(
    _ row: UnsafePointer<Float>, _ count: Int, fill: Float = 0, _ term: (Vector) -> Vector
  ) -> Float {
    var sum = Vector(repeating: 0)
    forEachVector(count) { index in
      sum += term(Vector(from: row + index))
    } rest: { index, rest in
      sum += term(Vector(from: row + index, count: rest, fill: fill))
    }
    return sum.total
  }
}
