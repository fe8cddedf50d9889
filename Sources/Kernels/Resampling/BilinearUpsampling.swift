/// Doubles height and width by bilinear interpolation: [B, H, W, C] -> [B, 2H, 2W, C].
///
/// Along an axis of n pixels, output o interpolates linearly at position s of the input: s = o (n - 1) / (2n - 1) if
/// corners are aligned, else (o + 1/2) / 2 - 1/2, clamped at 0; positions beyond the last pixel take its value. These
/// are PyTorch's `align_corners` true and false.
public struct BilinearUpsampling: Sendable {
  public let batch: Int
  public let height: Int
  public let width: Int
  public let channels: Int

  private let rows: Axis
  private let columns: Axis

  public init(batch: Int, height: Int, width: Int, channels: Int, alignsCorners: Bool) {
    precondition(
      batch > 0 && height > 0 && width > 0 && channels > 0, "\(batch)x\(height)x\(width)x\(channels)")
    self.batch = batch
    self.height = height
    self.width = width
    self.channels = channels
    rows = Axis(height, alignsCorners: alignsCorners)
    columns = Axis(width, alignsCorners: alignsCorners)
  }

  /// One output row at a time: first blends two input rows, in cache, then neighbouring pixels.
  public func forward(_ x: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, pool: ThreadPool) {
    let (c, length) = (channels, width * channels)
    pool.parallel(batch * 2 * height) { row, worker in
      let (image, y) = (row / (2 * height), row % (2 * height))
      let tap = rows.taps[y]
      let blended = pool.scratch(length, worker: worker)
      let (upper, lower) = (
        x + (image * height + tap.first) * length, x + (image * height + tap.second) * length
      )
      Self.blend(upper, 1 - tap.weight, lower, tap.weight, into: blended, count: length)
      let target = output + row * 2 * length
      for (column, tap) in columns.taps.enumerated() {
        Self.blend(
          blended + tap.first &* c, 1 - tap.weight, blended + tap.second &* c, tap.weight,
          into: target + column &* c, count: c)
      }
    }
  }

  /// Each input pixel gathers from the outputs that it contributes to, rows first.
  public func backward(
    _ outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let (c, length) = (channels, width * channels)
    pool.parallel(batch * height) { row, worker in
      let (image, y) = (row / height, row % height)
      let gathered = pool.scratch(2 * length, worker: worker)
      for (index, part) in rows.parts[y].enumerated() {
        let source = outputGradient + (image * 2 * height + part.output) * 2 * length
        Self.add(source, part.weight, to: gathered, count: 2 * length, isFirst: index == 0)
      }
      let target = inputGradient + row * length
      for column in 0..<width {
        for (index, part) in columns.parts[column].enumerated() {
          Self.add(
            gathered + part.output &* c, part.weight, to: target + column &* c, count: c, isFirst: index == 0)
        }
      }
    }
  }

  /// target = a p + b q.
  @inline(__always)
  private static func blend(
    _ a: UnsafePointer<Float>, _ p: Float, _ b: UnsafePointer<Float>, _ q: Float,
    into target: UnsafeMutablePointer<Float>, count: Int
  ) {
    let (first, second) = (Vector(repeating: p), Vector(repeating: q))
    forEachVector(count) { index in
      Vector(from: a + index).times(first, plus: Vector(from: b + index) * second).store(to: target + index)
    } rest: { index, rest in
      for at in index..<index &+ rest { target[at] = (b[at] * q).addingProduct(a[at], p) }
    }
  }

  /// target += a p, or target = a p.
  @inline(__always)
  private static func add(
    _ a: UnsafePointer<Float>, _ p: Float, to target: UnsafeMutablePointer<Float>, count: Int, isFirst: Bool
  ) {
    let weight = Vector(repeating: p)
    forEachVector(count) { index in
      let sum = isFirst ? Vector(repeating: 0) : Vector(from: target + index)
      Vector(from: a + index).times(weight, plus: sum).store(to: target + index)
    } rest: { index, rest in
      for at in index..<index &+ rest { target[at] = (isFirst ? 0 : target[at]).addingProduct(a[at], p) }
    }
  }

  /// The dependence of the outputs along one axis on its pixels.
  private struct Axis: Sendable {
    /// For each output, its two pixels and the weight of the second.
    let taps: [(first: Int, second: Int, weight: Float)]
    /// For each pixel, the outputs that it contributes to, in order.
    let parts: [[(output: Int, weight: Float)]]

    init(_ count: Int, alignsCorners: Bool) {
      let taps = (0..<2 * count).map { output in
        let position =
          alignsCorners
          ? Double(output) * Double(count - 1) / Double(max(2 * count - 1, 1))
          : max((Double(output) + 0.5) / 2 - 0.5, 0)
        let first = min(Int(position), count - 1)
        return (first: first, second: min(first + 1, count - 1), weight: Float(position - Double(first)))
      }
      self.taps = taps
      parts = (0..<count).map { pixel in
        taps.indices.compactMap { output in
          let tap = taps[output]
          // At the border both may be the same pixel.
          let weight = (tap.first == pixel ? 1 - tap.weight : 0) + (tap.second == pixel ? tap.weight : 0)
          return weight > 0 ? (output, weight) : nil
        }
      }
    }
  }
}
