/// 3x3 convolution of stride 1 and padding 1 by Winograd's F(4x4, 3x3): a tile of 4x4 outputs takes 36 products for
/// each pair of channels, where the direct way takes 144.
///
/// T tiles in all; xi is one of the 36 places of a transformed tile. Layouts: transformed inputs V [36, T, C], products
/// M [36, T, K], filters U in panels of sixteen outputs [36, K / 16, C, 16]; images and weights as in `Convolution`.
///
/// The work is cut in one of two ways. Small filters are transformed once and stay in cache, while tiles pass by in
/// blocks. Large ones would not: then all tiles are transformed first, and filters pass by, each transformed in cache
/// where it is used.
struct WinogradConvolution {
  let shape: ConvolutionShape
  let tiles: WinogradTiles

  static let places = WinogradTiles.places

  /// nil if the shape is not one for this algorithm: another kernel, channels that do not fill a vector, or so few
  /// pixels for each tile that the products saved are not worth the transforms.
  init?(_ shape: ConvolutionShape) {
    guard shape.kernel == 3, shape.stride == 1, shape.padding == 1,
      (shape.inputChannels + [shape.outputChannels]).allSatisfy({ $0 >= Vector.width })
    else { return nil }
    self.shape = shape
    tiles = WinogradTiles(batch: shape.batch, height: shape.height, width: shape.width)
    // Multiply-adds for a pair of channels; transforming its filter costs as much as 150.
    guard 9 * shape.outputPixels > Self.places * tiles.count + 150 else { return nil }
  }

  /// Whether the transformed filters take more than a megabyte: what the second-level cache holds.
  private var areFiltersLarge: Bool {
    Self.places * shape.channels * shape.outputChannels > 262_144
  }

  // MARK: The three passes

  func forward(
    inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let filters = WinogradFilters(
      weights: weights, channels: shape.channels, outputChannels: shape.outputChannels)
    convolve(
      Array(zip(inputs, shape.inputChannels)), filters, bias: bias, into: [(output, shape.outputChannels)],
      pool)
  }

  /// Writes the inputs' gradients, those that are not nil: a convolution of the output's gradient with turned filters.
  func inputGradient(
    outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    inputGradients: [UnsafeMutablePointer<Float>?], pool: ThreadPool
  ) {
    convolve(
      [(outputGradient, shape.outputChannels)],
      WinogradFilters(turning: weights, channels: shape.outputChannels, outputChannels: shape.channels),
      bias: nil, into: Array(zip(inputGradients, shape.inputChannels)), pool)
  }

  /// Adds the weights' gradient [9, C, K] to `gradient`.
  func addWeightGradient(
    inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>,
    gradient: GradientSum, pool: ThreadPool
  ) {
    let inputs = Array(zip(inputs, shape.inputChannels))
    if areFiltersLarge {
      addLargeGradient(inputs, outputGradient, gradient, pool)
    } else {
      addSmallGradient(inputs, outputGradient, gradient, pool)
    }
  }

  private typealias Image = (pixels: UnsafePointer<Float>, channels: Int)
  private typealias Target = (pixels: UnsafeMutablePointer<Float>?, channels: Int)

  // MARK: Images to images

  /// Tiles that pass by together when filters are large, for which the products fill half a megabyte.
  private static let tilesPerPart = 128
  /// Channels and output channels of the filters that are transformed together: 36 x 64 x 32 floats are 0.3 MB.
  private static let channelsIn = 64
  private static let channelsOut = 32
  /// The most output channels that a part has.
  private static let widestPart = channelsOut + Vector.width

  /// Tiles of which transforms, of inputs and of outputs, fill about 0.75 MB; at most a sixth of all, so that there is
  /// work for several threads.
  private func tilesPerBlock(_ channels: Int) -> Int {
    let fitting = min(max(196_608 / (Self.places * channels), 16), 128)
    let blocks = max((tiles.count + fitting - 1) / fitting, min(6, tiles.count / 16), 1)
    return (tiles.count + blocks - 1) / blocks
  }

  /// Tiles of which transformed inputs pass through the third-level cache together.
  private func tilesPerRound(_ channels: Int) -> Int {
    let fitting = max(1_048_576 / (Self.places * channels), 1)
    let rounds = (tiles.count + fitting - 1) / fitting
    return (tiles.count + rounds - 1) / rounds
  }

  private func workspaceCount(channels c: Int, outputChannels k: Int) -> Int {
    Self.places
      * WinogradTiles.placeStride(areFiltersLarge ? tilesPerRound(c) * c : WinogradFilters.panels(k) * c * 16)
  }

  private func convolve(
    _ inputs: [Image], _ filters: WinogradFilters, bias: UnsafePointer<Float>?, into outputs: [Target],
    _ pool: ThreadPool
  ) {
    let workspace = pool.workspace(
      workspaceCount(channels: filters.channels, outputChannels: filters.outputChannels))
    if areFiltersLarge {
      filtersPassBy(inputs, filters, bias, outputs, workspace, pool)
    } else {
      tilesPassBy(inputs, filters, bias, outputs, workspace, pool)
    }
  }

  private func tilesPassBy(
    _ inputs: [Image], _ filters: WinogradFilters, _ bias: UnsafePointer<Float>?, _ outputs: [Target],
    _ u: UnsafeMutablePointer<Float>, _ pool: ThreadPool
  ) {
    let (c, k) = (filters.channels, filters.outputChannels)
    let filterStride = WinogradTiles.placeStride(filters.panels * c * 16)
    pool.parallel(filters.panels) { panel, worker in
      filters.transform(
        channels: 0..<c, outputs: min(panel * 16, k - 16), 16, into: u + panel * c * 16,
        placeStride: filterStride,
        WinogradFilters.Memory(pool.scratch(WinogradFilters.Memory.count, worker: worker)))
    }
    let blockTiles = tilesPerBlock(c + k)
    let (inputStride, outputStride) = (
      WinogradTiles.placeStride(blockTiles * c), WinogradTiles.placeStride(blockTiles * k)
    )
    pool.parallelPieces(tiles.count, of: blockTiles) { block, worker in
      let v = pool.scratch(
        Self.places * (inputStride + outputStride) + WinogradTiles.Memory.count(channels: c), worker: worker)
      let m = v + Self.places * inputStride
      let memory = WinogradTiles.Memory(m + Self.places * outputStride, channels: c)
      for (index, tile) in block.enumerated() {
        transform(tile, of: inputs, into: v + index * c, inputStride, memory)
      }
      for xi in 0..<Self.places {
        VectorProduct.compute(
          .init(elements: v + xi * inputStride, rowStride: c, depthStride: 1),
          .init(elements: u + xi * filterStride, columns: k, stride: c * 16, isPanels: true),
          rows: block.count, depth: c, into: m + xi * outputStride, stride: k)
      }
      var channel = 0
      for output in outputs {
        if let pixels = output.pixels {
          for (index, tile) in block.enumerated() {
            tiles.transformOutput(
              tile, m + (index * k + channel), placeStride: outputStride, bias: bias.map { $0 + channel },
              channels: output.channels, into: pixels, pixelStride: output.channels, memory)
          }
        }
        channel += output.channels
      }
    }
  }

  private func filtersPassBy(
    _ inputs: [Image], _ filters: WinogradFilters, _ bias: UnsafePointer<Float>?, _ outputs: [Target],
    _ v: UnsafeMutablePointer<Float>, _ pool: ThreadPool
  ) {
    let c = filters.channels
    let roundTiles = tilesPerRound(c)
    let inputStride = WinogradTiles.placeStride(roundTiles * c)
    // A task has one part of the tiles, and some output channels, all of one output.
    var parts: [(target: Target, channel: Int, first: Int, count: Int)] = []
    var channel = 0
    for output in outputs {
      if output.pixels != nil {
        // What would be narrower than a vector goes to the part before it.
        let width = Self.channelsOut
        let count = max((output.channels + width - Vector.width) / width, 1)
        for part in 0..<count {
          let first = part * width
          parts.append((output, channel, first, part == count - 1 ? output.channels - first : width))
        }
      }
      channel += output.channels
    }
    let filterStride = WinogradTiles.placeStride(Self.widestPart * Self.channelsIn)
    for start in stride(from: 0, to: tiles.count, by: roundTiles) {
      let round = start..<min(start + roundTiles, tiles.count)
      let tileParts = (round.count + Self.tilesPerPart - 1) / Self.tilesPerPart
      let partTiles = (round.count + tileParts - 1) / tileParts
      let productStride = WinogradTiles.placeStride(partTiles * Self.widestPart)
      transform(round, of: inputs, c, into: v, inputStride, pool)
      pool.parallel(parts.count * tileParts) { task, worker in
        let part = parts[task / tileParts]
        let block = task % tileParts * partTiles..<min((task % tileParts + 1) * partTiles, round.count)
        let u = pool.scratch(
          Self.places * (filterStride + productStride) + WinogradTiles.Memory.count(channels: 0)
            + WinogradFilters.Memory.count, worker: worker)
        let m = u + Self.places * filterStride
        let filterMemory = WinogradFilters.Memory(m + Self.places * productStride)
        let memory = WinogradTiles.Memory(
          m + Self.places * productStride + WinogradFilters.Memory.count, channels: 0)
        for first in stride(from: 0, to: c, by: Self.channelsIn) {
          let depth = min(Self.channelsIn, c - first)
          filters.transform(
            channels: first..<first + depth, outputs: part.channel + part.first, part.count, into: u,
            placeStride: filterStride, filterMemory)
          let next =
            first + Self.channelsIn..<max(min(first + 2 * Self.channelsIn, c), first + Self.channelsIn)
          for xi in 0..<Self.places {
            filters.prefetch(
              channels: next, outputs: part.channel + part.first, part.count, part: xi, of: Self.places)
            VectorProduct.compute(
              .init(
                elements: v + (xi * inputStride + block.lowerBound * c + first), rowStride: c, depthStride: 1),
              .init(elements: u + xi * filterStride, columns: part.count, stride: depth * 16, isPanels: true),
              rows: block.count, depth: depth, into: m + xi * productStride, stride: part.count,
              accumulating: first > 0)
          }
        }
        for (index, tile) in block.enumerated() {
          tiles.transformOutput(
            round.lowerBound + tile, m + index * part.count, placeStride: productStride,
            bias: bias.map { $0 + part.channel + part.first }, channels: part.count,
            into: part.target.pixels! + part.first, pixelStride: part.target.channels, memory)
        }
      }
    }
  }

  /// V of all inputs' channels for one tile.
  @inline(__always)
  private func transform(
    _ tile: Int, of inputs: [Image], into v: UnsafeMutablePointer<Float>, _ placeStride: Int,
    _ memory: WinogradTiles.Memory
  ) {
    var channel = 0
    for input in inputs {
      tiles.transformInput(
        tile, input.pixels, channels: input.channels, into: v + channel, placeStride: placeStride, memory)
      channel += input.channels
    }
  }

  /// V of all inputs' channels for some tiles.
  private func transform(
    _ round: Range<Int>, of inputs: [Image], _ channels: Int, into v: UnsafeMutablePointer<Float>,
    _ placeStride: Int, _ pool: ThreadPool
  ) {
    pool.parallelPieces(round.count, of: 8) { piece, worker in
      let memory = WinogradTiles.Memory(
        pool.scratch(WinogradTiles.Memory.count(channels: channels), worker: worker), channels: channels)
      for index in piece {
        transform(round.lowerBound + index, of: inputs, into: v + index * channels, placeStride, memory)
      }
    }
  }

  // MARK: Images to filters

  /// dU = Vᵀ dM, summed over the tiles in fixed pieces, each of which keeps its sum in cache.
  private func addSmallGradient(
    _ inputs: [Image], _ outputGradient: UnsafePointer<Float>, _ gradient: GradientSum,
    _ pool: ThreadPool
  ) {
    let (c, k) = (shape.channels, shape.outputChannels)
    let blockTiles = tilesPerBlock(c + k)
    let blocks = (tiles.count + blockTiles - 1) / blockTiles
    let pieceTiles = (blocks + 7) / 8 * blockTiles
    let pieces = (tiles.count + pieceTiles - 1) / pieceTiles
    let filterStride = WinogradTiles.placeStride(c * k)
    let u = pool.workspace(pieces * Self.places * filterStride)
    let (inputStride, outputStride) = (
      WinogradTiles.placeStride(blockTiles * c), WinogradTiles.placeStride(blockTiles * k)
    )
    pool.parallelPieces(tiles.count, of: pieceTiles) { piece, worker in
      let sum = u + piece.lowerBound / pieceTiles * Self.places * filterStride
      let v = pool.scratch(
        Self.places * (inputStride + outputStride) + WinogradTiles.Memory.count(channels: max(c, k)),
        worker: worker)
      let m = v + Self.places * inputStride
      let memory = WinogradTiles.Memory(m + Self.places * outputStride, channels: max(c, k))
      for start in stride(from: piece.lowerBound, to: piece.upperBound, by: blockTiles) {
        let block = start..<min(start + blockTiles, piece.upperBound)
        for (index, tile) in block.enumerated() {
          transform(tile, of: inputs, into: v + index * c, inputStride, memory)
          tiles.transformOutputGradient(
            tile, outputGradient, channels: k, into: m + index * k, placeStride: outputStride, memory)
        }
        for xi in 0..<Self.places {
          VectorProduct.compute(
            .init(elements: v + xi * inputStride, rowStride: 1, depthStride: c),
            .init(elements: m + xi * outputStride, columns: k, stride: k, isPanels: false),
            rows: c, depth: block.count, into: sum + xi * filterStride, stride: k,
            accumulating: start > piece.lowerBound)
        }
      }
    }
    pool.parallelPieces(c, of: 8) { channels, worker in
      let between = pool.scratch(Self.places * Vector.width, worker: worker)
      for channel in channels {
        WinogradFilters.addGradient(
          u + channel * k, placeStride: filterStride, pieces: pieces, pieceStride: Self.places * filterStride,
          outputs: k, to: gradient.memory + channel * k, isBegun: gradient.isBegun, tapStride: c * k,
          between: between)
      }
    }
  }

  /// dU = Vᵀ dM for some filters at a time, over all tiles or as many as fit into memory.
  private func addLargeGradient(
    _ inputs: [Image], _ outputGradient: UnsafePointer<Float>, _ gradient: GradientSum,
    _ pool: ThreadPool
  ) {
    let (c, k) = (shape.channels, shape.outputChannels)
    let imageTiles = tiles.rows * tiles.columns
    // 8 MB of transformed tiles, but at least an image.
    let fitting = min(max(2_097_152 / (Self.places * (c + k) * imageTiles), 1), shape.batch)
    let parts = (shape.batch + fitting - 1) / fitting
    let images = (shape.batch + parts - 1) / parts
    let pixels = shape.height * shape.width
    for first in stride(from: 0, to: shape.batch, by: images) {
      let part = WinogradTiles(
        batch: min(images, shape.batch - first), height: shape.height, width: shape.width)
      addLargeGradient(
        part, inputs.map { ($0.pixels + first * pixels * $0.channels, $0.channels) },
        outputGradient + first * pixels * k,
        GradientSum(gradient.memory, isBegun: gradient.isBegun || first > 0), pool)
    }
  }

  private func addLargeGradient(
    _ part: WinogradTiles, _ inputs: [Image], _ outputGradient: UnsafePointer<Float>,
    _ gradient: GradientSum, _ pool: ThreadPool
  ) {
    let (c, k, t) = (shape.channels, shape.outputChannels, part.count)
    let (inputStride, outputStride) = (WinogradTiles.placeStride(t * c), WinogradTiles.placeStride(t * k))
    let v = pool.workspace(Self.places * (inputStride + outputStride))
    let m = v + Self.places * inputStride
    pool.parallelPieces(t, of: 8) { piece, worker in
      let memory = WinogradTiles.Memory(
        pool.scratch(WinogradTiles.Memory.count(channels: max(c, k)), worker: worker), channels: max(c, k))
      for tile in piece {
        transform(tile, of: inputs, into: v + tile * c, inputStride, memory)
        part.transformOutputGradient(
          tile, outputGradient, channels: k, into: m + tile * k, placeStride: outputStride, memory)
      }
    }
    let (rows, columns) = (32, 64)
    let columnParts = max(k / columns, 1)
    pool.parallel((c + rows - 1) / rows * columnParts) { task, worker in
      let channels = task / columnParts * rows..<min((task / columnParts + 1) * rows, c)
      let first = task % columnParts * columns
      // The last part has what is left over as well, so that no part is narrower than a vector.
      let outputs = task % columnParts == columnParts - 1 ? k - first : columns
      let filterStride = WinogradTiles.placeStride(rows * outputs)
      let u = pool.scratch(Self.places * (filterStride + Vector.width), worker: worker)
      for xi in 0..<Self.places {
        WinogradFilters.prefetchGradient(
          gradient.memory + (channels.lowerBound * k + first), channels: channels.count, outputs: outputs,
          channelStride: k, tapStride: c * k, part: xi, of: Self.places)
        VectorProduct.compute(
          .init(elements: v + (xi * inputStride + channels.lowerBound), rowStride: 1, depthStride: c),
          .init(elements: m + (xi * outputStride + first), columns: outputs, stride: k, isPanels: false),
          rows: channels.count, depth: t, into: u + xi * filterStride, stride: outputs)
      }
      for (index, channel) in channels.enumerated() {
        WinogradFilters.addGradient(
          u + index * outputs, placeStride: filterStride, pieces: 1, pieceStride: 0, outputs: outputs,
          to: gradient.memory + (channel * k + first), isBegun: gradient.isBegun, tapStride: c * k,
          between: u + Self.places * filterStride)
      }
    }
  }
}
