/// Where the kernels of all channels of a convolution lie in its weights [R, R, C, K], and the way back of their
/// gradients. Several kernels may share weights: then each has all of C, with taps of its own.
struct WinogradKernels {
  /// Of all kernels together.
  let channels: Int
  let outputChannels: Int
  private let taps: [WinogradTaps]
  /// C.
  let channelsOfEach: Int

  /// - Parameter channels: of each kernel.
  init(_ taps: [WinogradTaps], channels: Int, outputChannels: Int) {
    self.taps = taps
    self.channels = taps.count * channels
    self.outputChannels = outputChannels
    channelsOfEach = channels
  }

  /// The taps of a channel, its place among those that the weights have, and how many follow with the same taps.
  @inline(__always)
  func find(_ channel: Int) -> (taps: WinogradTaps, place: Int, count: Int) {
    if taps.count == 1 { return (taps[0], channel, channelsOfEach &- channel) }
    let (kernel, place) = channel.quotientAndRemainder(dividingBy: channelsOfEach)
    return (taps[kernel], place, channelsOfEach &- place)
  }

  /// Fetches one of `parts` parts of the memory that `addGradient` is to write for some channels.
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

  /// Adds dg = Gᵀ dU G of one channel and a stretch of output channels to their weights' gradient, or writes it if there
  /// is nothing to add to.
  ///
  /// - Parameters:
  ///   - u: dU of the stretch's first output, in `pieces` parts to be summed, `pieceStride` apart.
  ///   - gradient: [R, R, C, K].
  ///   - between: a vector for each place.
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
      // Where the last vector overlaps the one before it, it adds nothing again.
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
