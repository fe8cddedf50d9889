/// Group normalisation (Wu and He, 2018), an optional scale and shift for each image, and an activation, as one
/// operation: y = act((x^ gamma + beta)(1 + scale) + shift) + residual, x^ = (x - mean) / sqrt(variance + eps).
///
/// Layouts: x, y, residual [B, N, C], gamma, beta [C], scaleShift [B, 2C] (scales, then shifts), statistics [B, G, 2] (mean,
/// 1 / sqrt(variance + eps)). A group is C / G consecutive channels of all N pixels of one image; its variance is
/// the biased one.
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
    pool.parallel(batch) { image, worker in
      let tables = Tables(self, pool.scratch(Tables.size(self), worker: worker))
      let source = x + image * imageSize
      let imageStatistics = statistics + image * groups * 2
      computeStatistics(source, tables, imageStatistics)
      fillTables(tables, imageStatistics, gamma, beta, scaleShift.map { $0 + image * 2 * channels })
      let (target, addend) = (output + image * imageSize, residual.map { $0 + image * imageSize })
      switch activation {
      case .none: transform(source, addend, target, tables) { $0 }
      case .relu: transform(source, addend, target, tables) { $0.rectified }
      case .silu: transform(source, addend, target, tables) { $0 * $0.sigmoid }
      }
    }
  }

  /// Writes dx, plus `addend` if there is one, and dScaleShift where there is one; adds the gradients of gamma and beta,
  /// unless they are nil. That of the residual is dy itself.
  ///
  /// With u = a x + b the activation's input and g = dL/du: the sums S1 = Σ g and S2 = Σ g x^ over the pixels of a
  /// channel give everything but dx, and with w = gamma (1 + scale), over the n values of a group,
  /// dx = (w g - Σ w g / n - x^ Σ w g x^ / n) / sqrt(variance + eps).
  public func backward(
    _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
    scaleShift: UnsafePointer<Float>?, statistics: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    addend: UnsafePointer<Float>? = nil, inputGradient: UnsafeMutablePointer<Float>,
    scaleShiftGradient: UnsafeMutablePointer<Float>?,
    gammaGradient: UnsafeMutablePointer<Float>?, betaGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    // For each image the gradients of gamma and beta, added up in the images' order afterwards.
    let partial = FloatMemory.allocate(batch * 2 * channels)
    defer { partial.deallocate() }
    pool.parallel(batch) { image, worker in
      let tables = Tables(self, pool.scratch(Tables.size(self), worker: worker))
      let source = x + image * imageSize
      let target = inputGradient + image * imageSize
      let gradient = outputGradient + image * imageSize
      let scales = scaleShift.map { $0 + image * 2 * channels }
      fillTables(tables, statistics + image * groups * 2, gamma, beta, scales)
      switch activation {
      case .none: gradientSums(source, gradient, target, tables) { _, g in g }
      case .relu: gradientSums(source, gradient, target, tables) { u, g in g.passed(byRectified: u) }
      case .silu:
        gradientSums(source, gradient, target, tables) { u, g in
          let s = u.sigmoid
          return g * s * (Vector(repeating: 1) - s).times(u, plus: Vector(repeating: 1))
        }
      }
      let gammaPart = partial.baseAddress! + image * 2 * channels
      for c in 0..<channels {
        let (s1, s2) = (tables.sum[c], tables.secondSum[c])
        let factor = 1 + (scales?[c] ?? 0)
        gammaPart[c] = factor * s2
        gammaPart[channels + c] = factor * s1
        if let scaleShiftGradient {
          let row = scaleShiftGradient + image * 2 * channels
          row[c] = gamma[c] * s2 + beta[c] * s1
          row[channels + c] = s1
        }
      }
      finishInputGradient(source, addend.map { $0 + image * imageSize }, target, tables, gamma, scales)
    }
    for image in 0..<batch {
      let gammaPart = partial.baseAddress! + image * 2 * channels
      if let gammaGradient { Reduction.add(gammaPart, to: gammaGradient, count: channels) }
      if let betaGradient { Reduction.add(gammaPart + channels, to: betaGradient, count: channels) }
    }
  }

  /// Mean and 1 / sqrt(variance + eps) of each group, in two passes: one pass loses digits when the mean is large.
  private func computeStatistics(
    _ x: UnsafePointer<Float>, _ tables: Tables, _ statistics: UnsafeMutablePointer<Float>
  ) {
    let count = Float(pixels * channelsPerGroup)
    channelSums(tables) { accumulate in
      period.forEach(imageSize) { index, place in
        accumulate.vector(place, Vector(from: x + index))
      } single: { index, place in
        accumulate.single(place, x[index])
      }
    }
    for group in 0..<groups {
      let range = group * channelsPerGroup..<(group + 1) * channelsPerGroup
      let mean = range.reduce(Float(0)) { $0 + tables.sum[$1] } / count
      statistics[group * 2] = mean
      for c in range { tables.mean[c] = mean }
    }
    period.expand(tables.mean, into: tables.meanExpanded)
    channelSums(tables) { accumulate in
      period.forEach(imageSize) { index, place in
        let d = Vector(from: x + index) - Vector(from: tables.meanExpanded + place)
        accumulate.vector(place, d * d)
      } single: { index, place in
        let d = x[index] - tables.meanExpanded[place]
        accumulate.single(place, d * d)
      }
    }
    for group in 0..<groups {
      let range = group * channelsPerGroup..<(group + 1) * channelsPerGroup
      let variance = range.reduce(Float(0)) { $0 + tables.sum[$1] } / count
      statistics[group * 2 + 1] = 1 / (variance + epsilon).squareRoot()
    }
  }

  /// Prepares, for each place of the period, u = a x + b and x^ = (x - mean) inverse.
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

  /// y = act(a x + b), plus the residual.
  @inline(__always)
  private func transform(
    _ x: UnsafePointer<Float>, _ residual: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
    _ tables: Tables, _ activate: (Vector) -> Vector
  ) {
    let (a, b) = (tables.aExpanded, tables.bExpanded)
    period.forEach(imageSize) { index, place in
      let value = activate(
        Vector(from: x + index).times(Vector(from: a + place), plus: Vector(from: b + place)))
      (residual.map { Vector(from: $0 + index) + value } ?? value).store(to: y + index)
    } single: { index, place in
      let value = activate(Vector(repeating: b[place].addingProduct(x[index], a[place])))[0]
      y[index] = residual.map { $0[index] + value } ?? value
    }
  }

  /// Writes g = dL/du to `target`, Σ g to `tables.sum` and Σ g x^ to `tables.secondSum`.
  @inline(__always)
  private func gradientSums(
    _ x: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>,
    _ tables: Tables, _ derivative: (_ u: Vector, _ g: Vector) -> Vector
  ) {
    let (a, b, mean, inverse) = (
      tables.aExpanded, tables.bExpanded, tables.meanExpanded, tables.inverseExpanded
    )
    let (sums, secondSums) = (tables.accumulator, tables.secondAccumulator)
    sums.update(repeating: 0, count: period.length)
    secondSums.update(repeating: 0, count: period.length)
    period.forEach(imageSize) { index, place in
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
    period.fold(sums, into: tables.sum)
    period.fold(secondSums, into: tables.secondSum)
  }

  /// Turns g in `target` into dx = p g + q x + r, whose p, q and r are the same for all pixels of a channel, plus
  /// `addend`.
  private func finishInputGradient(
    _ x: UnsafePointer<Float>, _ addend: UnsafePointer<Float>?, _ target: UnsafeMutablePointer<Float>,
    _ tables: Tables, _ gamma: UnsafePointer<Float>, _ scales: UnsafePointer<Float>?
  ) {
    let count = Float(pixels * channelsPerGroup)
    // The tables of u are no longer needed: p is a already, q goes to b, r to mean.
    for group in 0..<groups {
      let range = group * channelsPerGroup..<(group + 1) * channelsPerGroup
      var (first, second) = (Float(0), Float(0))
      for c in range {
        let w = gamma[c] * (1 + (scales?[c] ?? 0))
        first += w * tables.sum[c]
        second += w * tables.secondSum[c]
      }
      for c in range {
        let inverse = tables.inverse[c]
        let q = -inverse * inverse * second / count
        tables.b[c] = q
        tables.mean[c] = -inverse * first / count - q * tables.mean[c]
      }
    }
    let (p, q, r) = (tables.aExpanded, tables.bExpanded, tables.meanExpanded)
    period.expand(tables.b, into: q)
    period.expand(tables.mean, into: r)
    period.forEach(imageSize) { index, place in
      let value = Vector(from: target + index).times(
        Vector(from: p + place),
        plus: Vector(from: x + index).times(Vector(from: q + place), plus: Vector(from: r + place)))
      (addend.map { Vector(from: $0 + index) + value } ?? value).store(to: target + index)
    } single: { index, place in
      target[index] = target[index] * p[place] + x[index] * q[place] + r[place] + (addend?[index] ?? 0)
    }
  }

  /// Lets `body` add values by place of the period, and leaves the channels' sums in `tables.sum`.
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

  /// One worker's tables: of C floats, and of a period's length.
  private struct Tables {
    let mean, inverse, a, b, sum, secondSum: UnsafeMutablePointer<Float>
    let meanExpanded, inverseExpanded, aExpanded, bExpanded, accumulator,
      secondAccumulator: UnsafeMutablePointer<Float>

    static func size(_ norm: GroupNormalization) -> Int { 6 * (norm.channels + norm.period.length) }

    init(_ norm: GroupNormalization, _ memory: UnsafeMutablePointer<Float>) {
      let (c, l) = (norm.channels, norm.period.length)
      // The long ones first: they stay aligned.
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
      secondSum = short + 5 * c
    }
  }
}
