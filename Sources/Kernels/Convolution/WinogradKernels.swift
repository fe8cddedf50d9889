/// The locations of a convolution's kernels in its weights [R, R, C, K], and the backward transform of their gradients.
/// Several kernels may share the weights; each then covers all C channels with its own taps.
struct WinogradKernels {
  /// The number of channels of all kernels together.
  let channels: Int
  let outputChannels: Int
  private let taps: [WinogradTaps]
  /// C.
  let channelsOfEach: Int

  /// - Parameter channels: the number of channels of each kernel.
  init(_ taps: [WinogradTaps], channels: Int, outputChannels: Int) {
    self.taps = taps
    self.channels = taps.count * channels
    self.outputChannels = outputChannels
    channelsOfEach = channels
  }

  /// The taps of a channel, its index in the weights, and the number of channels from it on that share its taps.
  @inline(__always)
  func find(_ channel: Int) -> (taps: WinogradTaps, place: Int, count: Int) {
    if taps.count == 1 { return (taps[0], channel, channelsOfEach &- channel) }
    let (kernel, place) = channel.quotientAndRemainder(dividingBy: channelsOfEach)
    return (taps[kernel], place, channelsOfEach &- place)
  }

  /// Prefetches one of `parts` parts of the memory that `addGradient` will write for some channels.
  func prefetchGradient<Scheme: WinogradScheme>(
    _: Scheme.Type, _ gradient: UnsafePointer<Float>, channels: Range<Int>, outputs: Range<Int>, part: Int,
    of parts: Int
  ) {
    for index in Range(part: part, of: parts, upTo: Scheme.taps &* Scheme.taps &* channels.count) {
      let (tap, channel) = index.quotientAndRemainder(dividingBy: channels.count)
      let (taps, place, _) = find(channels.lowerBound &+ channel)
      let inTaps = taps(tap / Scheme.taps, tap % Scheme.taps)
      (gradient + (inTaps &+ place &* outputChannels &+ outputs.lowerBound))
        .prefetchForWriting(outputs.count)
    }
  }

  /// Accumulates dg = Gᵀ dU G of one channel and a range of output channels in the weights' gradient, or writes it if
  /// the gradient has not been begun.
  ///
  /// - Parameters:
  ///   - u: dU of the range's first output, in `pieces` parts to be summed, `pieceStride` apart.
  ///   - gradient: [R, R, C, K].
  ///   - between: scratch memory with a vector for each place.
  @inline(__always)
  func addGradient<Scheme: WinogradScheme>(
    _: Scheme.Type, _ u: UnsafePointer<Float>, placeStride: Int, pieces: Int, pieceStride: Int, channel: Int,
    outputs: Range<Int>, to gradient: GradientSum, between: UnsafeMutablePointer<Float>
  ) {
    let (taps, place, _) = find(channel)
    let (target, count) = (
      gradient.memory + (place &* outputChannels &+ outputs.lowerBound), outputs.count
    )
    var output = 0
    while output < count {
      // Lanes of the last vector that overlap the one before it add zero.
      let covered = max(output &+ 16 &- count, 0)
      let start = output &- covered
      let isNew = Self.laneNumbers .>= Vector(repeating: Float(covered))
      for x in 0..<Scheme.points {
        let column = u + (x &* placeStride &+ start)
        Scheme.filterAdjoint(
          Scheme.Long.Points { y in
            let place = column + y &* Scheme.points &* placeStride
            var sum = Vector(from: place)
            for piece in 1..<max(pieces, 1) { sum += Vector(from: place + piece &* pieceStride) }
            return sum
          }
        ).store(to: between + x &* Vector.width, stride: Scheme.points &* Vector.width)
      }
      for y in 0..<Scheme.taps {
        Scheme.filterAdjoint(
          Scheme.Long.Points(from: between + y &* Scheme.points &* Vector.width, stride: Vector.width)
        ).forEach { x, value in
          let place = target + (taps(y, x) &+ start)
          let sum = Vector(from: place) + Vector(repeating: 0).replacing(with: value, where: isNew)
          (gradient.isBegun ? sum : value).store(to: place)
        }
      }
      output &+= 16
    }
  }

  @inline(__always) private static var laneNumbers: Vector {
    Vector(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  }
}
