/// Computes the contribution of a range of tiles to the gradient of large filters, dU = Vᵀ dM, in blocks that fit into
/// a thread's cache. The transformed tiles are in the pool's workspace, so only one instance can be in use at a time.
struct WinogradBlocks<Scheme: WinogradScheme> {
  typealias Pass = WinogradPass<Scheme>

  /// A block of the filters.
  struct Block {
    let number: Int
    let channels: Range<Int>
    let outputs: Range<Int>
  }

  private let pass: Pass
  private let kernels: WinogradKernels
  private let tiles: Range<Int>
  /// [places, T, C], where T is the number of tiles.
  private let v: UnsafePointer<Float>
  /// [places, T, K].
  private let m: UnsafePointer<Float>

  static var channels: Int { 32 }
  private static var outputs: Int { 64 }

  /// The number of tiles whose transforms, of the inputs and the output's gradient, are kept in memory together: 12 MB.
  static func tilesAtOnce(_ kernels: WinogradKernels, of count: Int) -> Int {
    let fitting = max(3_145_728 / (Scheme.places * (kernels.channels + kernels.outputChannels)), 1)
    let parts = (count + fitting - 1) / fitting
    return (count + parts - 1) / parts
  }

  /// Transforms the tiles into the workspace.
  init(
    _ pass: Pass, _ tiles: Range<Int>, of inputs: [Pass.Image], _ outputGradient: Pass.Image,
    _ kernels: WinogradKernels, _ pool: ThreadPool
  ) {
    let (c, k, t) = (kernels.channels, kernels.outputChannels, tiles.count)
    let (inputStride, outputStride) = (pass.placeStride(t * c), pass.placeStride(t * k))
    let v = pool.workspace(Scheme.places * (inputStride + outputStride))
    let m = v + Scheme.places * inputStride
    pool.parallelPieces(t, of: 8) { piece, worker in
      let memory = WinogradTiles<Scheme>.Memory(
        pool.scratch(WinogradTiles<Scheme>.Memory.count(channels: max(c, k)), worker: worker),
        channels: max(c, k))
      for index in piece {
        let tile = tiles.lowerBound + index
        pass.transform(tile, of: inputs, into: v + index * c, inputStride, memory)
        pass.tiles.transformOutputGradient(
          tile, outputGradient, into: m + index * k, placeStride: outputStride, memory)
      }
    }
    (self.pass, self.kernels, self.tiles) = (pass, kernels, tiles)
    (self.v, self.m) = (UnsafePointer(v), UnsafePointer(m))
  }

  /// Accumulates the sums of the output's gradient, which are the bias's gradient.
  func addOutputSums(to bias: UnsafeMutablePointer<Float>) {
    let k = kernels.outputChannels
    let sums = m + pass.placeOfSum * pass.placeStride(tiles.count * k)
    for index in tiles.indices { Reduction.add(sums + (index - tiles.lowerBound) * k, to: bias, count: k) }
  }

  private var columns: Int { max(kernels.outputChannels / Self.outputs, 1) }
  /// The number of blocks.
  var count: Int { (kernels.channels + Self.channels - 1) / Self.channels * columns }

  /// Runs `body` on all blocks in parallel.
  func forEach(_ pool: ThreadPool, _ body: (_ block: Block, _ worker: Int) -> Void) {
    pool.parallel(count) { number, worker in
      let (row, column) = number.quotientAndRemainder(dividingBy: columns)
      let channels = row * Self.channels..<min((row + 1) * Self.channels, kernels.channels)
      // The last block includes the remainder, so that none is narrower than a vector.
      let first = column * Self.outputs
      let outputs = first..<(column == columns - 1 ? kernels.outputChannels : first + Self.outputs)
      body(Block(number: number, channels: channels, outputs: outputs), worker)
    }
  }

  /// The distance between places of a block's dU in floats.
  func placeStride(_ block: Block) -> Int { pass.placeStride(block.channels.count * block.outputs.count) }

  /// The size of a block's dU in floats.
  func count(_ block: Block) -> Int { Scheme.places * placeStride(block) }

  /// Writes a block's dU, [places, channels, outputs].
  ///
  /// - Parameter onPlace: called before each place.
  @inline(__always)
  func multiply(
    _ block: Block, into u: UnsafeMutablePointer<Float>, onPlace: (_ place: Int) -> Void = { _ in }
  ) {
    let (c, k, t) = (kernels.channels, kernels.outputChannels, tiles.count)
    let (inputStride, outputStride) = (pass.placeStride(t * c), pass.placeStride(t * k))
    for xi in 0..<Scheme.places {
      onPlace(xi)
      let some = pass.tiles.having(xi, of: tiles)
      let first = some.lowerBound - tiles.lowerBound
      VectorProduct.compute(
        .init(
          elements: v + (xi * inputStride + first * c + block.channels.lowerBound), rowStride: 1,
          depthStride: c),
        .init(
          elements: m + (xi * outputStride + first * k + block.outputs.lowerBound),
          columns: block.outputs.count, stride: k, isPanels: false),
        rows: block.channels.count, depth: some.count, into: u + xi * placeStride(block),
        stride: block.outputs.count)
    }
  }
}
