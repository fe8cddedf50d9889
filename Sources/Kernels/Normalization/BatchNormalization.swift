/// Batch normalisation (Ioffe and Szegedy, 2015) fused with an activation:
/// y = act(x^ gamma + beta), x^ = (x - mean) / sqrt(variance + eps).
///
/// Layouts: x, y [N, C], where N is the number of pixels of all images; gamma, beta, mean, variance [C]. Variances are
/// biased. Work is divided into pieces of rows, small enough to be read twice from cache.
public struct BatchNormalization: Hashable, Sendable {
  public enum Activation: Sendable {
    case none
    /// max(x, 0).
    case relu
  }

  public let rows: Int
  public let channels: Int
  public let epsilon: Float
  public let activation: Activation

  public init(rows: Int, channels: Int, epsilon: Float = 1e-5, activation: Activation = .relu) {
    precondition(rows > 0 && channels > 0, "\(rows) rows of \(channels) channels")
    self.rows = rows
    self.channels = channels
    self.epsilon = epsilon
    self.activation = activation
  }

  private var period: ChannelPeriod { ChannelPeriod(channels: channels) }

  /// The number of rows per piece: 128 KiB in whole periods, so that all pieces but the last consist of whole vectors.
  private var rowsPerPiece: Int {
    let periodRows = period.length / channels
    return max(32_768 / period.length, 1) * periodRows
  }

  private var pieces: Int { (rows + rowsPerPiece - 1) / rowsPerPiece }

  /// Computes the mean and variance of each channel.
  ///
  /// Each piece's mean and sum of squared deviations are computed in two passes; pieces are combined in double
  /// precision: from n_p rows, mean m_p and sum s_p per piece, the whole has the mean m = Σ n_p m_p / N and the sum Σ
  /// (s_p + n_p (m_p - m)²).
  public func measure(
    _ x: UnsafePointer<Float>, mean: UnsafeMutablePointer<Float>, variance: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    let (c, period) = (channels, period)
    // For each piece, its means, then its sums of squared deviations.
    let parts = FloatMemory.allocate(pieces * 2 * c)
    defer { parts.deallocate() }
    pool.parallelPieces(rows, of: rowsPerPiece) { piece, worker in
      let source = x + piece.lowerBound * c
      let means = parts.baseAddress! + piece.lowerBound / rowsPerPiece * 2 * c
      let sums = pool.scratch(2 * period.length, worker: worker)
      let meanExpanded = sums + period.length
      sums.update(repeating: 0, count: period.length)
      period.forEach(piece.count * c) { index, place in
        (Vector(from: sums + place) + Vector(from: source + index)).store(to: sums + place)
      } single: { index, place in
        sums[place] += source[index]
      }
      period.fold(sums, into: means)
      for channel in 0..<c { means[channel] /= Float(piece.count) }
      period.expand(means, into: meanExpanded)
      sums.update(repeating: 0, count: period.length)
      period.forEach(piece.count * c) { index, place in
        let d = Vector(from: source + index) - Vector(from: meanExpanded + place)
        d.times(d, plus: Vector(from: sums + place)).store(to: sums + place)
      } single: { index, place in
        let d = source[index] - meanExpanded[place]
        sums[place].addProduct(d, d)
      }
      period.fold(sums, into: means + c)
    }
    for channel in 0..<c {
      func part(_ piece: Int) -> (rows: Double, mean: Double, squares: Double) {
        let part = parts.baseAddress! + piece * 2 * c + channel
        return (Double(min(rowsPerPiece, rows - piece * rowsPerPiece)), Double(part[0]), Double(part[c]))
      }
      var sum = 0.0
      for piece in 0..<pieces { sum += part(piece).rows * part(piece).mean }
      let wholeMean = sum / Double(rows)
      var squares = 0.0
      for piece in 0..<pieces {
        let part = part(piece)
        squares += part.squares + part.rows * (part.mean - wholeMean) * (part.mean - wholeMean)
      }
      mean[channel] = Float(wholeMean)
      variance[channel] = Float(squares / Double(rows))
    }
  }

  /// Computes y for the given statistics, those of the batch or running ones.
  public func forward(
    _ x: UnsafePointer<Float>, mean: UnsafePointer<Float>, variance: UnsafePointer<Float>,
    gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    let tables = Tables(self, mean, variance, gamma, beta)
    defer { tables.deallocate() }
    switch activation {
    case .none: transform(x, output, tables, pool) { $0 }
    case .relu: transform(x, output, tables, pool) { $0.rectified }
    }
  }

  /// Writes dx, and accumulates the gradients of gamma and beta unless they are nil. The statistics must be those of x.
  ///
  /// With the activation's input u = a x + b and g = dL/du: the sums S1 = Σ g and S2 = Σ g x^ over a channel are the
  /// gradients of beta and gamma, and dx = gamma (g - S1 / N - x^ S2 / N) / sqrt(variance + eps). g is computed in both
  /// passes, which is cheaper than storing it.
  public func backward(
    _ x: UnsafePointer<Float>, mean: UnsafePointer<Float>, variance: UnsafePointer<Float>,
    gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>, gammaGradient: UnsafeMutablePointer<Float>?,
    betaGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    let tables = Tables(self, mean, variance, gamma, beta)
    defer { tables.deallocate() }
    switch activation {
    case .none:
      backward(x, outputGradient, inputGradient, gammaGradient, betaGradient, tables, pool) { _, g in g }
    case .relu:
      backward(x, outputGradient, inputGradient, gammaGradient, betaGradient, tables, pool) { u, g in
        g.passed(byRectified: u)
      }
    }
  }

  @inline(__always)
  private func transform(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ tables: Tables, _ pool: ThreadPool,
    _ activate: (Vector) -> Vector
  ) {
    let (c, period) = (channels, period)
    let (a, b) = (tables.a, tables.b)
    pool.parallelPieces(rows, of: rowsPerPiece) { piece, _ in
      let (source, target) = (x + piece.lowerBound * c, y + piece.lowerBound * c)
      period.forEach(piece.count * c) { index, place in
        activate(Vector(from: source + index).times(Vector(from: a + place), plus: Vector(from: b + place)))
          .store(to: target + index)
      } single: { index, place in
        target[index] = activate(Vector(repeating: b[place].addingProduct(source[index], a[place])))[0]
      }
    }
  }

  @inline(__always)
  private func backward(
    _ x: UnsafePointer<Float>, _ outputGradient: UnsafePointer<Float>,
    _ inputGradient: UnsafeMutablePointer<Float>, _ gammaGradient: UnsafeMutablePointer<Float>?,
    _ betaGradient: UnsafeMutablePointer<Float>?, _ tables: Tables, _ pool: ThreadPool,
    _ derivative: (_ u: Vector, _ g: Vector) -> Vector
  ) {
    let (c, period) = (channels, period)
    let (a, b, mean, inverse) = (tables.a, tables.b, tables.mean, tables.inverse)
    // For each piece, Σ g, then Σ g x^.
    let parts = FloatMemory.allocate(pieces * 2 * c)
    defer { parts.deallocate() }
    pool.parallelPieces(rows, of: rowsPerPiece) { piece, worker in
      let (source, gradient) = (x + piece.lowerBound * c, outputGradient + piece.lowerBound * c)
      let sums = pool.scratch(2 * period.length, worker: worker)
      let secondSums = sums + period.length
      sums.update(repeating: 0, count: 2 * period.length)
      period.forEach(piece.count * c) { index, place in
        let value = Vector(from: source + index)
        let u = value.times(Vector(from: a + place), plus: Vector(from: b + place))
        let g = derivative(u, Vector(from: gradient + index))
        let normalized = (value - Vector(from: mean + place)) * Vector(from: inverse + place)
        (Vector(from: sums + place) + g).store(to: sums + place)
        g.times(normalized, plus: Vector(from: secondSums + place)).store(to: secondSums + place)
      } single: { index, place in
        let u = Vector(repeating: b[place].addingProduct(source[index], a[place]))
        let g = derivative(u, Vector(repeating: gradient[index]))[0]
        sums[place] += g
        secondSums[place] += g * (source[index] - mean[place]) * inverse[place]
      }
      let part = parts.baseAddress! + piece.lowerBound / rowsPerPiece * 2 * c
      period.fold(sums, into: part)
      period.fold(secondSums, into: part + c)
    }
    let total = parts.baseAddress!
    for piece in 1..<max(pieces, 1) { Reduction.add(total + piece * 2 * c, to: total, count: 2 * c) }
    if let betaGradient { Reduction.add(total, to: betaGradient, count: c) }
    if let gammaGradient { Reduction.add(total + c, to: gammaGradient, count: c) }

    // dx = a g + q x + r.
    let q = FloatMemory.allocate(2 * period.length)
    defer { q.deallocate() }
    let (slopes, shifts) = (q.baseAddress!, q.baseAddress! + period.length)
    for place in 0..<period.length {
      let channel = place % c
      slopes[place] = -a[place] * inverse[place] * total[c + channel] / Float(rows)
      shifts[place] = -a[place] * total[channel] / Float(rows) - slopes[place] * mean[place]
    }
    pool.parallelPieces(rows, of: rowsPerPiece) { piece, _ in
      let (source, gradient) = (x + piece.lowerBound * c, outputGradient + piece.lowerBound * c)
      let target = inputGradient + piece.lowerBound * c
      period.forEach(piece.count * c) { index, place in
        let value = Vector(from: source + index)
        let factor = Vector(from: a + place)
        let g = derivative(
          value.times(factor, plus: Vector(from: b + place)), Vector(from: gradient + index))
        g.times(factor, plus: value.times(Vector(from: slopes + place), plus: Vector(from: shifts + place)))
          .store(to: target + index)
      } single: { index, place in
        let u = Vector(repeating: b[place].addingProduct(source[index], a[place]))
        let g = derivative(u, Vector(repeating: gradient[index]))[0]
        target[index] = g * a[place] + source[index] * slopes[place] + shifts[place]
      }
    }
  }

  /// mean, 1 / sqrt(variance + eps), and a and b in u = a x + b, each repeated to the period's length.
  private struct Tables {
    let mean, inverse, a, b: UnsafeMutablePointer<Float>
    private let memory: UnsafeMutableBufferPointer<Float>

    init(
      _ norm: BatchNormalization, _ mean: UnsafePointer<Float>, _ variance: UnsafePointer<Float>,
      _ gamma: UnsafePointer<Float>, _ beta: UnsafePointer<Float>
    ) {
      let length = norm.period.length
      memory = FloatMemory.allocate(4 * length)
      self.mean = memory.baseAddress!
      inverse = self.mean + length
      a = inverse + length
      b = a + length
      for place in 0..<length {
        let channel = place % norm.channels
        self.mean[place] = mean[channel]
        inverse[place] = 1 / (variance[channel] + norm.epsilon).squareRoot()
        a[place] = inverse[place] * gamma[channel]
        b[place] = beta[channel] - mean[channel] * a[place]
      }
    }

    func deallocate() { memory.deallocate() }
  }
}
