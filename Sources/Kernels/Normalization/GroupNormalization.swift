/// Group normalisation (Wu and He, 2018) fused with an optional scale and shift for each image, an activation and an
/// optional residual: y = act((x^ gamma + beta)(1 + scale) + shift) + residual, x^ = (x - mean) / sqrt(variance + eps).
///
/// Layouts: x, y, residual [B, N, C], gamma, beta [C], scaleShift [B, 2C] (scales, then shifts), statistics [B, G, 2]
/// (mean, 1 / sqrt(variance + eps)). A group is C / G consecutive channels of all N pixels of one image; its variance
/// is biased.
///
/// Each task processes an image, which it reads several times while it is in cache; large images are divided into
/// pieces of fixed size, whose sums are added in order.
public struct GroupNormalization: Hashable, Sendable {
  public enum Activation: Sendable {
    case none
    /// max(x, 0).
    case relu
    /// x sigmoid(x) (Hendrycks and Gimpel, 2016).
    case silu
  }

  public let batch: Int
  public let pixels: Int
  public let channels: Int
  public let groups: Int
  public let epsilon: Float
  public let activation: Activation

  private var channelsPerGroup: Int { channels / groups }
  private var imageSize: Int { pixels * channels }
  private var period: ChannelPeriod { ChannelPeriod(channels: channels) }

  /// Images with at least this many floats are divided.
  private static let large = 524_288
  /// The size of a piece in floats: 128 KiB.
  private static let pieceSize = 32_768

  /// The pieces of all images: whole periods, so that all but an image's last piece consist of whole vectors.
  private var pieces: TokenPieces {
    let periods = imageSize < Self.large ? imageSize / period.length + 1 : Self.pieceSize / period.length
    return TokenPieces(batch: batch, tokens: pixels, size: max(periods, 1) * (period.length / channels))
  }

  public init(
    batch: Int, pixels: Int, channels: Int, groups: Int, epsilon: Float = 1e-5, activation: Activation = .none
  ) {
    precondition(
      groups > 0 && channels % groups == 0 && batch > 0 && pixels > 0,
      "\(channels) channels cannot be split into \(groups) groups")
    self.batch = batch
    self.pixels = pixels
    self.channels = channels
    self.groups = groups
    self.epsilon = epsilon
    self.activation = activation
  }

  public func forward(
    _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
    scaleShift: UnsafePointer<Float>?, residual: UnsafePointer<Float>? = nil,
    output: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    let pieces = pieces
    let isCut = pieces.count > batch
    func write(_ image: Int, _ pixels: Range<Int>, _ tables: Tables) {
      fillTables(
        tables, statistics + image * groups * 2, gamma, beta, scaleShift.map { $0 + image * 2 * channels })
      let first = pixels.lowerBound * channels
      let (source, target, addend) = (x + first, output + first, residual.map { $0 + first })
      switch activation {
      case .none: transform(source, addend, target, pixels.count, tables) { $0 }
      case .relu: transform(source, addend, target, pixels.count, tables) { $0.rectified }
      case .silu: transform(source, addend, target, pixels.count, tables) { $0 * $0.sigmoid }
      }
    }
    let moments = FloatMemory.allocate(pieces.count * groups * 2)
    defer { moments.deallocate() }
    pool.parallel(pieces.count) { index, worker in
      let (image, pixels) = pieces.piece(index)
      let tables = Tables(self, pool.scratch(Tables.size(self), worker: worker))
      measure(
        x + pixels.lowerBound * channels, pixels.count, tables, moments.baseAddress! + index * groups * 2)
      if !isCut {
        setStatistics(image, pieces, moments.baseAddress!, statistics)
        write(image, pixels, tables)
      }
    }
    guard isCut else { return }
    for image in 0..<batch { setStatistics(image, pieces, moments.baseAddress!, statistics) }
    pool.parallel(pieces.count) { index, worker in
      let (image, pixels) = pieces.piece(index)
      write(image, pixels, Tables(self, pool.scratch(Tables.size(self), worker: worker)))
    }
  }

  /// Writes dx, plus `addend` if there is one, and the gradient of `scaleShift` if there is one; accumulates the
  /// gradients of gamma and beta unless they are nil. That of the residual is dy itself.
  ///
  /// With the activation's input u = a x + b and g = dL/du: the sums S1 = Σ g and S2 = Σ g x^ over the pixels of a
  /// channel determine all gradients but dx, and with w = gamma (1 + scale) and sums over the n values of a group,
  /// dx = (w g - Σ w g / n - x^ Σ w g x^ / n) / sqrt(variance + eps).
  public func backward(
    _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
    scaleShift: UnsafePointer<Float>?, statistics: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    addend: UnsafePointer<Float>? = nil, inputGradient: UnsafeMutablePointer<Float>,
    scaleShiftGradient: UnsafeMutablePointer<Float>?,
    gammaGradient: UnsafeMutablePointer<Float>?, betaGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    let (c, pieces) = (channels, pieces)
    let isCut = pieces.count > batch
    // S1 and S2 of each piece; those of an image's first piece later hold the sums over the image.
    let partial = FloatMemory.allocate(pieces.count * 2 * c)
    defer { partial.deallocate() }
    let sums = partial.baseAddress!
    func scales(_ image: Int) -> UnsafePointer<Float>? { scaleShift.map { $0 + image * 2 * c } }
    func finish(_ image: Int, _ pixels: Range<Int>, _ tables: Tables) {
      let first = pixels.lowerBound * c
      fillInputTables(tables, sums + pieces.pieces(of: image).lowerBound * 2 * c, gamma, scales(image))
      finishInputGradient(x + first, addend.map { $0 + first }, inputGradient + first, pixels.count, tables)
    }
    pool.parallel(pieces.count) { index, worker in
      let (image, pixels) = pieces.piece(index)
      let tables = Tables(self, pool.scratch(Tables.size(self), worker: worker))
      let offset = pixels.lowerBound * c
      let (source, target, gradient) = (x + offset, inputGradient + offset, outputGradient + offset)
      let (first, second) = (sums + index * 2 * c, sums + (index * 2 + 1) * c)
      fillTables(tables, statistics + image * groups * 2, gamma, beta, scales(image))
      switch activation {
      case .none: gradientSums(source, gradient, target, pixels.count, tables, first, second) { _, g in g }
      case .relu:
        gradientSums(source, gradient, target, pixels.count, tables, first, second) { u, g in
          g.passed(byRectified: u)
        }
      case .silu:
        gradientSums(source, gradient, target, pixels.count, tables, first, second) { u, g in
          let s = u.sigmoid
          return g * s * (Vector(repeating: 1) - s).times(u, plus: Vector(repeating: 1))
        }
      }
      if !isCut { finish(image, pixels, tables) }
    }
    if isCut {
      for image in 0..<batch {
        let own = pieces.pieces(of: image)
        for piece in own.dropFirst() {
          Reduction.add(sums + piece * 2 * c, to: sums + own.lowerBound * 2 * c, count: 2 * c)
        }
      }
      pool.parallel(pieces.count) { index, worker in
        let (image, pixels) = pieces.piece(index)
        let tables = Tables(self, pool.scratch(Tables.size(self), worker: worker))
        fillTables(tables, statistics + image * groups * 2, gamma, beta, scales(image))
        finish(image, pixels, tables)
      }
    }
    for image in 0..<batch {
      let (scales, scaleShiftRow) = (scales(image), scaleShiftGradient.map { $0 + image * 2 * c })
      let first = sums + pieces.pieces(of: image).lowerBound * 2 * c
      for channel in 0..<c {
        let (s1, s2) = (first[channel], first[c + channel])
        let factor = 1 + (scales?[channel] ?? 0)
        gammaGradient?[channel] += factor * s2
        betaGradient?[channel] += factor * s1
        scaleShiftRow?[channel] = gamma[channel] * s2 + beta[channel] * s1
        scaleShiftRow?[c + channel] = s1
      }
    }
  }

  /// Computes the mean and Σ (x - mean)² of each group over some pixels, in two passes: a single pass loses precision
  /// when the mean is large.
  private func measure(
    _ x: UnsafePointer<Float>, _ pixels: Int, _ tables: Tables, _ moments: UnsafeMutablePointer<Float>
  ) {
    let count = Float(pixels * channelsPerGroup)
    channelSums(tables) { accumulate in
      period.forEach(pixels * channels) { index, place in
        accumulate.vector(place, Vector(from: x + index))
      } single: { index, place in
        accumulate.single(place, x[index])
      }
    }
    for group in 0..<groups {
      let range = group * channelsPerGroup..<(group + 1) * channelsPerGroup
      let mean = range.reduce(Float(0)) { $0 + tables.sum[$1] } / count
      moments[group * 2] = mean
      for c in range { tables.mean[c] = mean }
    }
    period.expand(tables.mean, into: tables.meanExpanded)
    channelSums(tables) { accumulate in
      period.forEach(pixels * channels) { index, place in
        let d = Vector(from: x + index) - Vector(from: tables.meanExpanded + place)
        accumulate.vector(place, d * d)
      } single: { index, place in
        let d = x[index] - tables.meanExpanded[place]
        accumulate.single(place, d * d)
      }
    }
    for group in 0..<groups {
      let range = group * channelsPerGroup..<(group + 1) * channelsPerGroup
      moments[group * 2 + 1] = range.reduce(Float(0)) { $0 + tables.sum[$1] }
    }
  }

  /// Computes mean and 1 / sqrt(variance + eps) of an image's groups from the moments of its pieces: from n_p values,
  /// mean m_p and sum s_p per piece, the whole has m = Σ n_p m_p / n and Σ (s_p + n_p (m_p - m)²), in double precision.
  private func setStatistics(
    _ image: Int, _ pieces: TokenPieces, _ moments: UnsafePointer<Float>,
    _ statistics: UnsafeMutablePointer<Float>
  ) {
    let count = pixels * channelsPerGroup
    let own = pieces.pieces(of: image)
    for group in 0..<groups {
      func part(_ piece: Int) -> (count: Double, mean: Double, squares: Double) {
        let moments = moments + (piece * groups + group) * 2
        return (
          Double(pieces.piece(piece).rows.count * channelsPerGroup), Double(moments[0]), Double(moments[1])
        )
      }
      let first = moments + (own.lowerBound * groups + group) * 2
      let target = statistics + (image * groups + group) * 2
      if own.count == 1 {
        target[0] = first[0]
        target[1] = 1 / (first[1] / Float(count) + epsilon).squareRoot()
      } else {
        let mean = own.reduce(0) { $0 + part($1).count * part($1).mean } / Double(count)
        let squares = own.reduce(0) { sum, piece in
          let part = part(piece)
          return sum + part.squares + part.count * (part.mean - mean) * (part.mean - mean)
        }
        target[0] = Float(mean)
        target[1] = 1 / (Float(squares / Double(count)) + epsilon).squareRoot()
      }
    }
  }

  /// Prepares u = a x + b and x^ = (x - mean) inverse for each position of the period.
  private func fillTables(
    _ tables: Tables, _ statistics: UnsafePointer<Float>, _ gamma: UnsafePointer<Float>,
    _ beta: UnsafePointer<Float>,
    _ scaleShift: UnsafePointer<Float>?
  ) {
    for c in 0..<channels {
      let (mean, inverse) = (statistics[c / channelsPerGroup * 2], statistics[c / channelsPerGroup * 2 + 1])
      let factor = 1 + (scaleShift?[c] ?? 0)
      let shift = scaleShift?[channels + c] ?? 0
      tables.mean[c] = mean
      tables.inverse[c] = inverse
      tables.a[c] = inverse * gamma[c] * factor
      tables.b[c] = (beta[c] - mean * inverse * gamma[c]) * factor + shift
    }
    period.expand(tables.mean, into: tables.meanExpanded)
    period.expand(tables.inverse, into: tables.inverseExpanded)
    period.expand(tables.a, into: tables.aExpanded)
    period.expand(tables.b, into: tables.bExpanded)
  }

  /// Computes y = act(a x + b), plus the residual.
  @inline(__always)
  private func transform(
    _ x: UnsafePointer<Float>, _ residual: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
    _ pixels: Int, _ tables: Tables, _ activate: (Vector) -> Vector
  ) {
    let (a, b) = (tables.aExpanded, tables.bExpanded)
    period.forEach(pixels * channels) { index, place in
      let value = activate(
        Vector(from: x + index).times(Vector(from: a + place), plus: Vector(from: b + place)))
      (residual.map { Vector(from: $0 + index) + value } ?? value).store(to: y + index)
    } single: { index, place in
      let value = activate(Vector(repeating: b[place].addingProduct(x[index], a[place])))[0]
      y[index] = residual.map { $0[index] + value } ?? value
    }
  }

  /// Writes g = dL/du to `target`, and S1 and S2 to `first` and `second`.
  @inline(__always)
  private func gradientSums(
    _ x: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>,
    _ pixels: Int, _ tables: Tables, _ first: UnsafeMutablePointer<Float>,
    _ second: UnsafeMutablePointer<Float>, _ derivative: (_ u: Vector, _ g: Vector) -> Vector
  ) {
    let (a, b, mean, inverse) = (
      tables.aExpanded, tables.bExpanded, tables.meanExpanded, tables.inverseExpanded
    )
    let (sums, secondSums) = (tables.accumulator, tables.secondAccumulator)
    sums.update(repeating: 0, count: period.length)
    secondSums.update(repeating: 0, count: period.length)
    period.forEach(pixels * channels) { index, place in
      let value = Vector(from: x + index)
      let g = derivative(
        value.times(Vector(from: a + place), plus: Vector(from: b + place)), Vector(from: gradient + index))
      g.store(to: target + index)
      let normalized = (value - Vector(from: mean + place)) * Vector(from: inverse + place)
      (Vector(from: sums + place) + g).store(to: sums + place)
      g.times(normalized, plus: Vector(from: secondSums + place)).store(to: secondSums + place)
    } single: { index, place in
      let g = derivative(
        Vector(repeating: b[place].addingProduct(x[index], a[place])), Vector(repeating: gradient[index]))[0]
      target[index] = g
      sums[place] += g
      secondSums[place] += g * (x[index] - mean[place]) * inverse[place]
    }
    period.fold(sums, into: first)
    period.fold(secondSums, into: second)
  }

  /// Prepares dx = p g + q x + r from an image's S1 and S2: p is the existing a, q replaces b, and r replaces the mean.
  private func fillInputTables(
    _ tables: Tables, _ sums: UnsafePointer<Float>, _ gamma: UnsafePointer<Float>,
    _ scales: UnsafePointer<Float>?
  ) {
    let count = Float(pixels * channelsPerGroup)
    for group in 0..<groups {
      let range = group * channelsPerGroup..<(group + 1) * channelsPerGroup
      var (first, second) = (Float(0), Float(0))
      for c in range {
        let w = gamma[c] * (1 + (scales?[c] ?? 0))
        first += w * sums[c]
        second += w * sums[channels + c]
      }
      for c in range {
        let inverse = tables.inverse[c]
        let q = -inverse * inverse * second / count
        tables.b[c] = q
        tables.mean[c] = -inverse * first / count - q * tables.mean[c]
      }
    }
    period.expand(tables.b, into: tables.bExpanded)
    period.expand(tables.mean, into: tables.meanExpanded)
  }

  /// Replaces g in `target` by dx, plus `addend`.
  private func finishInputGradient(
    _ x: UnsafePointer<Float>, _ addend: UnsafePointer<Float>?, _ target: UnsafeMutablePointer<Float>,
    _ pixels: Int, _ tables: Tables
  ) {
    let (p, q, r) = (tables.aExpanded, tables.bExpanded, tables.meanExpanded)
    period.forEach(pixels * channels) { index, place in
      let value = Vector(from: target + index).times(
        Vector(from: p + place),
        plus: Vector(from: x + index).times(Vector(from: q + place), plus: Vector(from: r + place)))
      (addend.map { Vector(from: $0 + index) + value } ?? value).store(to: target + index)
    } single: { index, place in
      target[index] = target[index] * p[place] + x[index] * q[place] + r[place] + (addend?[index] ?? 0)
    }
  }

  /// Calls `body` to add values by position in the period, and stores the sums of the channels in `tables.sum`.
  @inline(__always)
  private func channelSums(_ tables: Tables, _ body: (Accumulator) -> Void) {
    tables.accumulator.update(repeating: 0, count: period.length)
    body(Accumulator(memory: tables.accumulator))
    period.fold(tables.accumulator, into: tables.sum)
  }

  private struct Accumulator {
    let memory: UnsafeMutablePointer<Float>

    @inline(__always) func vector(_ place: Int, _ value: Vector) {
      (Vector(from: memory + place) + value).store(to: memory + place)
    }

    @inline(__always) func single(_ place: Int, _ value: Float) { memory[place] += value }
  }

  /// A worker's tables, of C floats or the length of a period.
  private struct Tables {
    let mean, inverse, a, b, sum: UnsafeMutablePointer<Float>
    let meanExpanded, inverseExpanded, aExpanded, bExpanded, accumulator,
      secondAccumulator: UnsafeMutablePointer<Float>

    static func size(_ norm: GroupNormalization) -> Int { 5 * norm.channels + 6 * norm.period.length }

    init(_ norm: GroupNormalization, _ memory: UnsafeMutablePointer<Float>) {
      let (c, l) = (norm.channels, norm.period.length)
      // The long tables come first, so that they stay aligned.
      meanExpanded = memory
      inverseExpanded = memory + l
      aExpanded = memory + 2 * l
      bExpanded = memory + 3 * l
      accumulator = memory + 4 * l
      secondAccumulator = memory + 5 * l
      let short = memory + 6 * l
      mean = short
      inverse = short + c
      a = short + 2 * c
      b = short + 3 * c
      sum = short + 4 * c
    }
  }
}
