/// Fused weight updates: the gradient is computed, applied and discarded block by block.
extension WinogradPass {
  /// Whether `update` supports these kernels: large filters whose tiles all fit into the workspace at once, and whose
  /// blocks each belong to a single kernel.
  func canUpdate(_ kernels: WinogradKernels) -> Bool {
    areFiltersLarge(kernels.channels, kernels.outputChannels)
      && WinogradBlocks<Scheme>.tilesAtOnce(kernels, of: tiles.count) == tiles.count
      && kernels.channelsOfEach % WinogradBlocks<Scheme>.channels == 0
  }

  /// Computes the gradient of the kernels and updates their weights with it.
  ///
  /// - Parameter update: nil to compute the gradient only.
  /// - Returns: the gradient's sum of squares.
  func update(
    _ inputs: [Image], outputGradient: Image, of kernels: WinogradKernels, by update: WeightUpdate?,
    _ pool: ThreadPool
  ) -> Double {
    let blocks = WinogradBlocks(self, 0..<tiles.count, of: inputs, outputGradient, kernels, pool)
    let squares = UnsafeMutableBufferPointer<Double>.allocate(capacity: blocks.count)
    defer { squares.deallocate() }
    blocks.forEach(pool) { block, worker in
      let (rows, columns) = (block.channels.count, block.outputs.count)
      let (tap, taps) = (rows * columns, Scheme.taps * Scheme.taps)
      let u = pool.scratch(blocks.count(block) + places * Vector.width + taps * tap, worker: worker)
      let between = u + blocks.count(block)
      // [taps, rows, columns].
      let gradient = between + places * Vector.width
      blocks.multiply(block, into: u)
      let local = WinogradKernels(
        [WinogradTaps(first: 0, rowStride: Scheme.taps * tap, columnStride: tap)], channels: rows,
        outputChannels: columns)
      for row in 0..<rows {
        local.addGradient(
          Scheme.self, u + row * columns, placeStride: blocks.placeStride(block), pieces: 1, pieceStride: 0,
          channel: row, outputs: 0..<columns, to: .overwriting(gradient), between: between)
      }
      squares[block.number] = Reduction.sumOfSquares(gradient, 0..<taps * tap)
      guard let update else { return }
      let (tapPlaces, first, _) = kernels.find(block.channels.lowerBound)
      update(UnsafePointer(gradient), runs: taps * rows, of: columns) { run in
        let (tap, row) = run.quotientAndRemainder(dividingBy: rows)
        return tapPlaces(tap / Scheme.taps, tap % Scheme.taps) &+ (first &+ row) &* kernels.outputChannels
          &+ block.outputs.lowerBound
      }
    }
    return squares.reduce(0, +)
  }
}
