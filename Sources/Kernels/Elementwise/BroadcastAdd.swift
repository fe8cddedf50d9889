/// Adds a vector per image to all pixels of the image.
///
/// Layouts: x, y [B, N, C]; the vectors are `stride` floats apart, so they may be columns of a wider matrix.
public enum BroadcastAdd {
  /// y = x + v.
  public static func add(
    _ x: UnsafePointer<Float>, vectors: UnsafePointer<Float>, stride: Int, batch: Int, pixels: Int,
    channels: Int, output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let period = ChannelPeriod(channels: channels)
    let (pieces, pieceRows) = cut(pixels, period)
    pool.parallel(batch * pieces) { task, worker in
      let (image, first) = (task / pieces, task % pieces * pieceRows)
      let start = (image * pixels + first) * channels
      let (source, target) = (x + start, output + start)
      let expanded = pool.scratch(period.length, worker: worker)
      period.expand(vectors + image * stride, into: expanded)
      period.forEach(min(pieceRows, pixels - first) * channels) { index, place in
        (Vector(from: source + index) + Vector(from: expanded + place)).store(to: target + index)
      } single: { index, place in
        target[index] = source[index] + expanded[place]
      }
    }
  }

  /// Accumulates the sum of `outputGradient` [B, N, C] over each image's pixels in the image's vector in `gradient`.
  public static func addGradient(
    _ outputGradient: UnsafePointer<Float>, stride: Int, batch: Int, pixels: Int, channels: Int,
    gradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let period = ChannelPeriod(channels: channels)
    let (pieces, pieceRows) = cut(pixels, period)
    let parts = FloatMemory.allocate(batch * pieces * channels)
    defer { parts.deallocate() }
    pool.parallel(batch * pieces) { task, worker in
      let (image, first) = (task / pieces, task % pieces * pieceRows)
      let source = outputGradient + (image * pixels + first) * channels
      let sums = pool.scratch(period.length, worker: worker)
      sums.update(repeating: 0, count: period.length)
      period.forEach(min(pieceRows, pixels - first) * channels) { index, place in
        (Vector(from: sums + place) + Vector(from: source + index)).store(to: sums + place)
      } single: { index, place in
        sums[place] += source[index]
      }
      period.fold(sums, into: parts.baseAddress! + task * channels)
    }
    for task in 0..<batch * pieces {
      Reduction.add(
        parts.baseAddress! + task * channels, to: gradient + task / pieces * stride, count: channels)
    }
  }

  /// Splits an image into pieces of 128 KiB in whole periods, so that all threads share even a few large images.
  private static func cut(_ pixels: Int, _ period: ChannelPeriod) -> (pieces: Int, rows: Int) {
    let rows = max(32_768 / period.length, 1) * (period.length / period.channels)
    return ((pixels + rows - 1) / rows, rows)
  }
}
