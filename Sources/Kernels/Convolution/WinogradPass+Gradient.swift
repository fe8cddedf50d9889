/// Reduces two images to filters: the gradient of a convolution's weights.
extension WinogradPass {
  /// The gradients in which a pass accumulates.
  struct Gradients {
    let weights: GradientSum
    /// nil if there is no bias.
    let bias: UnsafeMutablePointer<Float>?
  }

  /// Accumulates the gradient of the kernels, dU = Vᵀ dM, in that of the weights, and the sum of the output's gradient
  /// in that of the bias.
  func addGradient(
    _ inputs: [Image], outputGradient: Image, of kernels: WinogradKernels, to gradients: Gradients,
    _ pool: ThreadPool
  ) {
    if areFiltersLarge(kernels.channels, kernels.outputChannels) {
      addLargeGradient(inputs, outputGradient, kernels, gradients, pool)
    } else {
      addSmallGradient(inputs, outputGradient, kernels, gradients, pool)
    }
  }

  /// The place of dM that holds the sum of a tile: at the point 1 in both dimensions, all outputs have the factor 1.
  var placeOfSum: Int { Scheme.points + 1 }

  /// Sums over the tiles in fixed pieces, each of which keeps its sum in cache.
  private func addSmallGradient(
    _ inputs: [Image], _ outputGradient: Image, _ kernels: WinogradKernels, _ gradients: Gradients,
    _ pool: ThreadPool
  ) {
    let (c, k) = (kernels.channels, kernels.outputChannels)
    let blockTiles = tilesPerBlock(c + k)
    let blocks = (tiles.count + blockTiles - 1) / blockTiles
    let pieceTiles = (blocks + 7) / 8 * blockTiles
    let pieces = (tiles.count + pieceTiles - 1) / pieceTiles
    let filterStride = placeStride(c * k)
    let u = pool.workspace(pieces * (places * filterStride + k))
    let biasSums = u + pieces * places * filterStride
    let (inputStride, outputStride) = (placeStride(blockTiles * c), placeStride(blockTiles * k))
    pool.parallelPieces(tiles.count, of: pieceTiles) { piece, worker in
      let number = piece.lowerBound / pieceTiles
      let sum = u + number * places * filterStride
      let biasSum = biasSums + number * k
      let v = pool.scratch(
        places * (inputStride + outputStride) + WinogradTiles<Scheme>.Memory.count(channels: max(c, k)),
        worker: worker)
      let m = v + places * inputStride
      let memory = WinogradTiles<Scheme>.Memory(m + places * outputStride, channels: max(c, k))
      for start in stride(from: piece.lowerBound, to: piece.upperBound, by: blockTiles) {
        let block = start..<min(start + blockTiles, piece.upperBound)
        for (index, tile) in block.enumerated() {
          transform(tile, of: inputs, into: v + index * c, inputStride, memory)
          tiles.transformOutputGradient(
            tile, outputGradient, into: m + index * k, placeStride: outputStride, memory)
        }
        for xi in 0..<places {
          let some = tiles.having(xi, of: block)
          let first = some.lowerBound - block.lowerBound
          VectorProduct.compute(
            .init(elements: v + (xi * inputStride + first * c), rowStride: 1, depthStride: c),
            .init(elements: m + (xi * outputStride + first * k), columns: k, stride: k, isPanels: false),
            rows: c, depth: some.count, into: sum + xi * filterStride, stride: k,
            accumulating: start > piece.lowerBound)
        }
        guard gradients.bias != nil else { continue }
        if start == piece.lowerBound { biasSum.update(repeating: 0, count: k) }
        for index in 0..<block.count {
          Reduction.add(m + (placeOfSum * outputStride + index * k), to: biasSum, count: k)
        }
      }
    }
    if let bias = gradients.bias {
      for piece in 0..<pieces { Reduction.add(biasSums + piece * k, to: bias, count: k) }
    }
    pool.parallelPieces(c, of: 8) { channels, worker in
      let between = pool.scratch(places * Vector.width, worker: worker)
      for channel in channels {
        kernels.addGradient(
          Scheme.self, u + channel * k, placeStride: filterStride, pieces: pieces,
          pieceStride: places * filterStride, channel: channel, outputs: 0..<k, to: gradients.weights,
          between: between)
      }
    }
  }

  /// Computes the gradient block by block, over as many tiles at a time as fit into the workspace.
  private func addLargeGradient(
    _ inputs: [Image], _ outputGradient: Image, _ kernels: WinogradKernels, _ gradients: Gradients,
    _ pool: ThreadPool
  ) {
    let together = WinogradBlocks<Scheme>.tilesAtOnce(kernels, of: tiles.count)
    for first in stride(from: 0, to: tiles.count, by: together) {
      let weights = GradientSum(
        gradients.weights.memory, isBegun: gradients.weights.isBegun || first > 0)
      addGradient(
        of: first..<min(first + together, tiles.count), inputs, outputGradient, kernels,
        Gradients(weights: weights, bias: gradients.bias), pool)
    }
  }

  private func addGradient(
    of tiles: Range<Int>, _ inputs: [Image], _ outputGradient: Image, _ kernels: WinogradKernels,
    _ gradients: Gradients, _ pool: ThreadPool
  ) {
    let blocks = WinogradBlocks(self, tiles, of: inputs, outputGradient, kernels, pool)
    if let bias = gradients.bias { blocks.addOutputSums(to: bias) }
    blocks.forEach(pool) { block, worker in
      let u = pool.scratch(blocks.count(block) + places * Vector.width, worker: worker)
      let between = u + blocks.count(block)
      blocks.multiply(block, into: u) { place in
        kernels.prefetchGradient(
          Scheme.self, gradients.weights.memory, channels: block.channels, outputs: block.outputs,
          part: place,
          of: places)
      }
      for (index, channel) in block.channels.enumerated() {
        kernels.addGradient(
          Scheme.self, u + index * block.outputs.count, placeStride: blocks.placeStride(block), pieces: 1,
          pieceStride: 0, channel: channel, outputs: block.outputs, to: gradients.weights, between: between)
      }
    }
  }
}
