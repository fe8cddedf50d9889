/// The filters of a convolution from C channels to K, and their Winograd transforms, computed for sixteen output
/// channels at a time.
struct WinogradFilters<Scheme: WinogradScheme> {
  /// C.
  let channels: Int
  /// K.
  let outputChannels: Int
  private let weights: UnsafePointer<Float>
  private let kernels: WinogradKernels
  private let isTurned: Bool

  /// - Parameters:
  ///   - weights: [R, R, C, K].
  ///   - kernels: the kernels of the channels, in order.
  init(_ weights: UnsafePointer<Float>, _ kernels: WinogradKernels) {
    (self.weights, self.kernels) = (weights, kernels)
    (channels, outputChannels) = (kernels.channels, kernels.outputChannels)
    isTurned = false
  }

  /// The filters that map the gradient of an output to that of the input, with inputs and outputs swapped.
  ///
  /// - Parameters:
  ///   - weights: [R, R, K, C], with C and K as these filters see them.
  ///   - taps: the taps of all channels, in the order of these filters.
  init(exchanging weights: UnsafePointer<Float>, _ taps: WinogradTaps, channels: Int, outputChannels: Int) {
    self.weights = weights
    kernels = WinogradKernels([taps], channels: channels, outputChannels: outputChannels)
    (self.channels, self.outputChannels) = (channels, outputChannels)
    isTurned = true
  }

  /// The number of vectors of output channels, the last of which may overlap the one before it.
  var panels: Int { Self.panels(outputChannels) }
  static func panels(_ outputChannels: Int) -> Int { (outputChannels + 15) / 16 }

  /// The number of input channels whose filters are transposed together.
  private static var turnedTogether: Int { 64 }

  /// A worker's memory for transforms.
  struct Memory {
    /// Intermediate results between the two dimensions of a transform: at most a vector for each place.
    let between: UnsafeMutablePointer<Float>
    /// Transposed filters of sixteen outputs: [taps², 64, 16].
    fileprivate let turned: UnsafeMutablePointer<Float>

    static var count: Int { (Scheme.places + Scheme.taps * Scheme.taps * turnedTogether) * Vector.width }

    init(_ memory: UnsafeMutablePointer<Float>) {
      between = memory
      turned = memory + Scheme.places * Vector.width
    }
  }

  /// Computes U in panels, for some input channels and `count` output channels from `first` on.
  func transform(
    channels: Range<Int>, outputs first: Int, _ count: Int, into u: UnsafeMutablePointer<Float>,
    placeStride: Int, _ memory: Memory
  ) {
    for panel in 0..<Self.panels(count) {
      let output = first &+ min(panel &* 16, count &- 16)
      var target = u + panel &* channels.count &* 16
      var start = channels.lowerBound
      while start < channels.upperBound {
        let (taps, place, rest) = kernels.find(start)
        let some = place..<place + min(Self.turnedTogether, channels.upperBound - start, rest)
        if isTurned {
          turn(taps, channels: some, output: output, into: memory.turned)
          Self.transform(
            UnsafePointer(memory.turned),
            WinogradTaps(
              first: 0, rowStride: Scheme.taps &* Self.turnedTogether &* Vector.width,
              columnStride: Self.turnedTogether &* Vector.width),
            channels: some.count, channelStride: Vector.width, into: target, placeStride: placeStride,
            between: memory.between)
        } else {
          Self.transform(
            weights + (place &* outputChannels &+ output), taps, channels: some.count,
            channelStride: outputChannels, into: target, placeStride: placeStride, between: memory.between)
        }
        start += some.count
        target += some.count &* 16
      }
    }
  }

  /// Prefetches one of `parts` parts of the filters that `transform` will read later. Large filters are read from
  /// memory in short runs that are too far apart for the hardware prefetcher.
  func prefetch(channels some: Range<Int>, outputs first: Int, _ count: Int, part: Int, of parts: Int) {
    guard !some.isEmpty else { return }
    let (taps, place, _) = kernels.find(some.lowerBound)
    // The memory layout for each tap: rows of `length` floats, `stride` apart.
    let (row, rows, stride, start, length) =
      isTurned
      ? (first, count, channels, place, some.count)
      : (place, some.count, outputChannels, first, count)
    for index in Range(part: part, of: parts, upTo: Scheme.taps &* Scheme.taps &* rows) {
      let (tap, inTap) = index.quotientAndRemainder(dividingBy: rows)
      let inTaps = taps(tap / Scheme.taps, tap % Scheme.taps)
      (weights + (inTaps &+ (row &+ inTap) &* stride &+ start)).prefetch(length)
    }
  }

  /// Writes [taps², 64, 16] from [R, R, K, C].
  private func turn(
    _ taps: WinogradTaps, channels some: Range<Int>, output: Int, into turned: UnsafeMutablePointer<Float>
  ) {
    for tap in 0..<Scheme.taps * Scheme.taps {
      Transposition.write(
        weights + (taps(tap / Scheme.taps, tap % Scheme.taps) &+ output &* channels &+ some.lowerBound),
        rows: 16, columns: some.count, stride: channels,
        to: turned + tap &* Self.turnedTogether &* Vector.width, stride: Vector.width)
    }
  }

  /// Computes U = G g Gᵀ for some input channels and sixteen outputs: a vector at each place for each channel.
  private static func transform(
    _ weights: UnsafePointer<Float>, _ taps: WinogradTaps, channels: Int, channelStride: Int,
    into u: UnsafeMutablePointer<Float>, placeStride: Int, between: UnsafeMutablePointer<Float>
  ) {
    var (g, target) = (weights + taps.first, u)
    for _ in 0..<channels {
      for x in 0..<Scheme.taps {
        Scheme.filter(Scheme.Taps(from: g + x &* taps.columnStride, stride: taps.rowStride))
          .store(to: between + x &* Vector.width, stride: Scheme.taps &* Vector.width)
      }
      for y in 0..<Scheme.points {
        Scheme.filter(
          Scheme.Taps(from: between + y &* Scheme.taps &* Vector.width, stride: Vector.width)
        ).store(to: target + y &* Scheme.points &* placeStride, stride: placeStride)
      }
      g += channelStride
      target += 16
    }
  }
}
