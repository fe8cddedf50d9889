import CProcessor

/// The filters of a 3x3 convolution of C channels to K, and their transforms for Winograd's algorithm, which are done for
/// sixteen output channels at a time.
struct WinogradFilters {
  /// C.
  let channels: Int
  /// K.
  let outputChannels: Int
  private let weights: UnsafePointer<Float>
  private let isTurned: Bool

  /// - Parameter weights: [9, C, K].
  init(weights: UnsafePointer<Float>, channels: Int, outputChannels: Int) {
    (self.weights, self.channels, self.outputChannels) = (weights, channels, outputChannels)
    isTurned = false
  }

  /// The filters that turn an output's gradient into its input's: by 180 degrees, with inputs and outputs exchanged.
  ///
  /// - Parameter weights: [9, K, C], where C and K are those of the turned filters.
  init(turning weights: UnsafePointer<Float>, channels: Int, outputChannels: Int) {
    (self.weights, self.channels, self.outputChannels) = (weights, channels, outputChannels)
    isTurned = true
  }

  /// Vectors of output channels, the last of which may overlap the one before it.
  var panels: Int { Self.panels(outputChannels) }
  static func panels(_ outputChannels: Int) -> Int { (outputChannels + 15) / 16 }

  /// Input channels whose filters are turned together.
  private static let turnedTogether = 64

  /// One worker's memory for transforms.
  struct Memory {
    /// A transform between its two dimensions: eighteen vectors, and as many as `addGradient` wants.
    let between: UnsafeMutablePointer<Float>
    /// Turned filters of sixteen outputs: [9, 64, 16].
    fileprivate let turned: UnsafeMutablePointer<Float>

    static let count = (WinogradTiles.places + 9 * turnedTogether) * Vector.width

    init(_ memory: UnsafeMutablePointer<Float>) {
      between = memory
      turned = memory + WinogradTiles.places * Vector.width
    }
  }

  /// U of some input channels, and of the output channels from `first` on, in panels.
  func transform(
    channels: Range<Int>, outputs first: Int, _ count: Int, into u: UnsafeMutablePointer<Float>,
    placeStride: Int, _ memory: Memory
  ) {
    for panel in 0..<Self.panels(count) {
      let output = first &+ min(panel &* 16, count &- 16)
      var target = u + panel &* channels.count &* 16
      for start in stride(from: channels.lowerBound, to: channels.upperBound, by: Self.turnedTogether) {
        let some = start..<min(start + Self.turnedTogether, channels.upperBound)
        var (filter, channelStride, tapStride) = (
          weights + (start &* outputChannels &+ output), outputChannels, self.channels &* outputChannels
        )
        if isTurned {
          turn(channels: some, output: output, into: memory.turned)
          (filter, channelStride, tapStride) = (
            UnsafePointer(memory.turned), Vector.width, Self.turnedTogether &* Vector.width
          )
        }
        for _ in some {
          Self.transform(
            filter, tapStride: tapStride, into: target, placeStride: placeStride, between: memory.between)
          filter += channelStride
          target += 16
        }
      }
    }
  }

  /// Fetches one of `parts` parts of the filters that `transform` is to read later. Large filters come from memory, in
  /// short stretches that are too far from each other for the processor to foresee.
  func prefetch(channels some: Range<Int>, outputs first: Int, _ count: Int, part: Int, of parts: Int) {
    // As they lie in memory: rows of `length` floats, `stride` apart, for each tap.
    let (row, rows, stride, start, length) =
      isTurned
      ? (first, count, channels, some.lowerBound, some.count)
      : (some.lowerBound, some.count, outputChannels, first, count)
    let perPart = (9 &* rows &+ parts &- 1) / parts
    for index in part &* perPart..<max(min((part &+ 1) &* perPart, 9 &* rows), part &* perPart) {
      let (tap, inTap) = index.quotientAndRemainder(dividingBy: rows)
      let line =
        weights + ((tap &* (isTurned ? outputChannels : channels) &+ row &+ inTap) &* stride &+ start)
      var place = 0
      while place < length {
        oboro_prefetch(line + place)
        place &+= Vector.width
      }
    }
  }

  /// Writes [9, 64, 16] from [9, K, C].
  private func turn(channels some: Range<Int>, output: Int, into turned: UnsafeMutablePointer<Float>) {
    for tap in 0..<9 {
      Transposition.write(
        weights + ((tap &* outputChannels &+ output) &* channels &+ some.lowerBound), rows: 16,
        columns: some.count, stride: channels,
        to: turned + (8 &- tap) &* Self.turnedTogether &* Vector.width, stride: Vector.width)
    }
  }

  /// U = G g Gᵀ of one input channel and sixteen outputs: a vector at each of the 36 places.
  ///
  /// - Parameter g: nine vectors, `tapStride` floats apart.
  @inline(__always)
  private static func transform(
    _ g: UnsafePointer<Float>, tapStride: Int, into u: UnsafeMutablePointer<Float>, placeStride: Int,
    between: UnsafeMutablePointer<Float>
  ) {
    for x in 0..<3 {
      let column = WinogradTransforms.filter(
        (
          Vector(from: g + x &* tapStride), Vector(from: g + (3 &+ x) &* tapStride),
          Vector(from: g + (6 &+ x) &* tapStride)
        ))
      WinogradTransforms.store6(column, to: between + x &* Vector.width, 3 &* Vector.width)
    }
    for y in 0..<6 {
      let line = between + y &* 3 &* Vector.width
      let row = WinogradTransforms.filter(
        (Vector(from: line), Vector(from: line + Vector.width), Vector(from: line + 2 &* Vector.width)))
      WinogradTransforms.store6(row, to: u + y &* 6 &* placeStride, placeStride)
    }
  }

  /// Fetches one of `parts` parts of the memory that `addGradient` is to write for some input channels.
  static func prefetchGradient(
    _ gradient: UnsafePointer<Float>, channels: Int, outputs: Int, channelStride: Int, tapStride: Int,
    part: Int,
    of parts: Int
  ) {
    let perPart = (9 &* channels &+ parts &- 1) / parts
    for index in part &* perPart..<max(min((part &+ 1) &* perPart, 9 &* channels), part &* perPart) {
      let (tap, channel) = index.quotientAndRemainder(dividingBy: channels)
      let line = gradient + (tap &* tapStride &+ channel &* channelStride)
      var place = 0
      while place < outputs {
        oboro_prefetch_for_writing(line + place)
        place &+= Vector.width
      }
    }
  }

  /// Adds dg = Gᵀ dU G of one input channel and a stretch of output channels to their weights' gradient, or writes it
  /// if there is nothing to add to.
  ///
  /// - Parameters:
  ///   - u: dU of the stretch's first output, in `pieces` parts to be summed, `pieceStride` apart.
  ///   - gradient: of the same output, in [9, C, K]: `tapStride` is C K.
  @inline(__always)
  static func addGradient(
    _ u: UnsafePointer<Float>, placeStride: Int, pieces: Int, pieceStride: Int, outputs: Int,
    to gradient: UnsafeMutablePointer<Float>, isBegun: Bool, tapStride: Int,
    between: UnsafeMutablePointer<Float>
  ) {
    var output = 0
    while output < outputs {
      // Where the last vector overlaps the one before it, it adds nothing again.
      let covered = max(output &+ 16 &- outputs, 0)
      let start = output &- covered
      let isNew = laneNumbers .>= Vector(repeating: Float(covered))
      for x in 0..<6 {
        let column = WinogradTransforms.filterAdjoint(
          sum6(u + (x &* placeStride &+ start), 6 &* placeStride, pieces, pieceStride))
        column.0.store(to: between + x &* Vector.width)
        column.1.store(to: between + (6 &+ x) &* Vector.width)
        column.2.store(to: between + (12 &+ x) &* Vector.width)
      }
      for y in 0..<3 {
        let row = WinogradTransforms.filterAdjoint(
          WinogradTransforms.load6(between + y &* 6 &* Vector.width, Vector.width))
        @inline(__always) func add(_ value: Vector, _ x: Int) {
          let place = gradient + ((y &* 3 &+ x) &* tapStride &+ start)
          let sum = Vector(from: place) + Vector(repeating: 0).replacing(with: value, where: isNew)
          (isBegun ? sum : value).store(to: place)
        }
        add(row.0, 0)
        add(row.1, 1)
        add(row.2, 2)
      }
      output &+= 16
    }
  }

  @inline(__always) private static var laneNumbers: Vector {
    Vector(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  }

  @inline(__always)
  private static func sum6(
    _ u: UnsafePointer<Float>, _ stride: Int, _ pieces: Int, _ pieceStride: Int
  ) -> WinogradTransforms.Six {
    var sum = WinogradTransforms.load6(u, stride)
    for piece in 1..<max(pieces, 1) {
      let part = WinogradTransforms.load6(u + piece &* pieceStride, stride)
      sum = (
        sum.0 + part.0, sum.1 + part.1, sum.2 + part.2, sum.3 + part.3, sum.4 + part.4, sum.5 + part.5
      )
    }
    return sum
  }
}
