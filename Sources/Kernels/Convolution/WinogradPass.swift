/// Convolutions by one of Winograd's schemes: from images to images, and, in extensions, from two images to filters.
///
/// T is the number of tiles; xi is one of the places of a transformed tile. Layouts: transformed inputs V
/// [places, T, C], products M [places, T, K], filters U in panels of sixteen outputs [places, K / 16, C, 16].
///
/// Work is divided in one of two ways. Small filters are transformed once and stay in cache while blocks of tiles
/// stream past. Large filters would not fit: there all tiles are transformed first, and filters stream past, each
/// transformed in cache where it is used.
struct WinogradPass<Scheme: WinogradScheme> {
  typealias Image = WinogradImage<UnsafePointer<Float>>
  typealias Target = WinogradImage<UnsafeMutablePointer<Float>>
  /// `target` is nil if the channels are not needed.
  typealias Output = (target: Target?, channels: Int)

  let tiles: WinogradTiles<Scheme>

  init(batch: Int, height: Int, width: Int) {
    tiles = WinogradTiles(batch: batch, height: height, width: width)
  }

  @inline(__always) var places: Int { Scheme.places }

  /// The distance between places of `count` floats: `count` rounded up to an odd number of cache lines, since with a
  /// power of two all places would map to a few sets of the L1 cache.
  func placeStride(_ count: Int) -> Int { ((count + 15) / 16 | 1) * 16 }

  /// Whether the transformed filters take more than a megabyte, the size of the L2 cache.
  func areFiltersLarge(_ channels: Int, _ outputChannels: Int) -> Bool {
    places * channels * outputChannels > 262_144
  }

  /// The number of tiles per part for large filters, whose products fill half a megabyte.
  private var tilesPerPart: Int { 64 }
  /// The numbers of channels and output channels whose filters are transformed together: 36 x 64 x 64 floats are 0.6
  /// MB.
  private var channelsIn: Int { 64 }
  private var channelsOut: Int { 64 }
  /// The maximal number of output channels in a part.
  private var widestPart: Int { channelsOut + Vector.width }
  /// The minimal number of tasks in a round: for outputs with few channels, tiles are split further.
  private var tasksPerRound: Int { 4 }

  /// The number of tiles whose input and output transforms fill about 0.75 MB, but at most a sixth of all tiles, so
  /// that several threads have work.
  func tilesPerBlock(_ channels: Int) -> Int {
    let fitting = min(max(196_608 / (places * channels), 16), 128)
    let blocks = max((tiles.count + fitting - 1) / fitting, min(6, tiles.count / 16), 1)
    return (tiles.count + blocks - 1) / blocks
  }

  /// The number of tiles whose transformed inputs share the L3 cache in one round.
  private func tilesPerRound(_ channels: Int) -> Int {
    let fitting = max(1_048_576 / (places * channels), 1)
    let rounds = (tiles.count + fitting - 1) / fitting
    return (tiles.count + rounds - 1) / rounds
  }

  /// Convolves all inputs, as if concatenated, with the filters, and writes the outputs that have a target.
  func convolve(
    _ inputs: [Image], _ filters: WinogradFilters<Scheme>, bias: UnsafePointer<Float>?,
    into outputs: [Output], _ pool: ThreadPool
  ) {
    let (c, k) = (filters.channels, filters.outputChannels)
    if areFiltersLarge(c, k) {
      let workspace = pool.workspace(places * placeStride(tilesPerRound(c) * c))
      filtersPassBy(inputs, filters, bias, outputs, workspace, pool)
    } else {
      let workspace = pool.workspace(places * placeStride(filters.panels * c * 16))
      tilesPassBy(inputs, filters, bias, outputs, workspace, pool)
    }
  }

  private func tilesPassBy(
    _ inputs: [Image], _ filters: WinogradFilters<Scheme>, _ bias: UnsafePointer<Float>?, _ outputs: [Output],
    _ u: UnsafeMutablePointer<Float>, _ pool: ThreadPool
  ) {
    let (c, k) = (filters.channels, filters.outputChannels)
    let filterStride = placeStride(filters.panels * c * 16)
    pool.parallel(filters.panels) { panel, worker in
      filters.transform(
        channels: 0..<c, outputs: min(panel * 16, k - 16), 16, into: u + panel * c * 16,
        placeStride: filterStride,
        WinogradFilters<Scheme>.Memory(pool.scratch(WinogradFilters<Scheme>.Memory.count, worker: worker)))
    }
    let blockTiles = tilesPerBlock(c + k)
    let (inputStride, outputStride) = (
      placeStride(blockTiles * c), placeStride(blockTiles * k)
    )
    pool.parallelPieces(tiles.count, of: blockTiles) { block, worker in
      let v = pool.scratch(
        places * (inputStride + outputStride) + WinogradTiles<Scheme>.Memory.count(channels: c),
        worker: worker)
      let m = v + places * inputStride
      let memory = WinogradTiles<Scheme>.Memory(m + places * outputStride, channels: c)
      for (index, tile) in block.enumerated() {
        transform(tile, of: inputs, into: v + index * c, inputStride, memory)
      }
      for xi in 0..<places {
        let some = tiles.having(xi, of: block)
        let first = some.lowerBound - block.lowerBound
        VectorProduct.compute(
          .init(elements: v + (xi * inputStride + first * c), rowStride: c, depthStride: 1),
          .init(elements: u + xi * filterStride, columns: k, stride: c * 16, isPanels: true),
          rows: some.count, depth: c, into: m + (xi * outputStride + first * k), stride: k)
      }
      var channel = 0
      for output in outputs {
        if let target = output.target {
          for (index, tile) in block.enumerated() {
            tiles.transformOutput(
              tile, m + (index * k + channel), placeStride: outputStride, bias: bias.map { $0 + channel },
              first: 0, channels: target.channels, into: target, memory)
          }
        }
        channel += output.channels
      }
    }
  }

  private func filtersPassBy(
    _ inputs: [Image], _ filters: WinogradFilters<Scheme>, _ bias: UnsafePointer<Float>?, _ outputs: [Output],
    _ v: UnsafeMutablePointer<Float>, _ pool: ThreadPool
  ) {
    let c = filters.channels
    let roundTiles = tilesPerRound(c)
    let inputStride = placeStride(roundTiles * c)
    // A task handles a part of the tiles and some channels of a single output.
    var parts: [(target: Target, channel: Int, first: Int, count: Int)] = []
    var channel = 0
    for output in outputs {
      if let target = output.target {
        // A remainder narrower than a vector joins the part before it.
        let width = channelsOut
        let count = max((output.channels + width - Vector.width) / width, 1)
        for part in 0..<count {
          let first = part * width
          parts.append((target, channel, first, part == count - 1 ? output.channels - first : width))
        }
      }
      channel += output.channels
    }
    let filterStride = placeStride(widestPart * channelsIn)
    for start in stride(from: 0, to: tiles.count, by: roundTiles) {
      let round = start..<min(start + roundTiles, tiles.count)
      let wantedParts = max(
        (round.count + tilesPerPart - 1) / tilesPerPart, tasksPerRound / max(parts.count, 1), 1)
      let partTiles = (round.count + wantedParts - 1) / wantedParts
      let tileParts = (round.count + partTiles - 1) / partTiles
      let productStride = placeStride(partTiles * widestPart)
      transform(round, of: inputs, c, into: v, inputStride, pool)
      pool.parallel(parts.count * tileParts) { task, worker in
        let part = parts[task / tileParts]
        let firstTile = round.lowerBound + task % tileParts * partTiles
        let block = firstTile..<min(firstTile + partTiles, round.upperBound)
        let u = pool.scratch(
          places * (filterStride + productStride) + WinogradTiles<Scheme>.Memory.count(channels: 0)
            + WinogradFilters<Scheme>.Memory.count, worker: worker)
        let m = u + places * filterStride
        let filterMemory = WinogradFilters<Scheme>.Memory(m + places * productStride)
        let memory = WinogradTiles<Scheme>.Memory(
          m + places * productStride + WinogradFilters<Scheme>.Memory.count, channels: 0)
        for first in stride(from: 0, to: c, by: channelsIn) {
          let depth = min(channelsIn, c - first)
          filters.transform(
            channels: first..<first + depth, outputs: part.channel + part.first, part.count, into: u,
            placeStride: filterStride, filterMemory)
          let next =
            first + channelsIn..<max(min(first + 2 * channelsIn, c), first + channelsIn)
          for xi in 0..<places {
            filters.prefetch(
              channels: next, outputs: part.channel + part.first, part.count, part: xi, of: places)
            let some = tiles.having(xi, of: block)
            VectorProduct.compute(
              .init(
                elements: v + (xi * inputStride + (some.lowerBound - round.lowerBound) * c + first),
                rowStride: c, depthStride: 1),
              .init(elements: u + xi * filterStride, columns: part.count, stride: depth * 16, isPanels: true),
              rows: some.count, depth: depth,
              into: m + (xi * productStride + (some.lowerBound - block.lowerBound) * part.count),
              stride: part.count, accumulating: first > 0)
          }
        }
        for (index, tile) in block.enumerated() {
          tiles.transformOutput(
            tile, m + index * part.count, placeStride: productStride,
            bias: bias.map { $0 + part.channel + part.first }, first: part.first, channels: part.count,
            into: part.target, memory)
        }
      }
    }
  }

  /// Computes V for all inputs' channels of one tile.
  @inline(__always)
  func transform(
    _ tile: Int, of inputs: [Image], into v: UnsafeMutablePointer<Float>, _ placeStride: Int,
    _ memory: WinogradTiles<Scheme>.Memory
  ) {
    var channel = 0
    for input in inputs {
      tiles.transformInput(
        tile, input, into: v + channel, placeStride: placeStride, memory)
      channel += input.channels
    }
  }

  /// Computes V for all inputs' channels of some tiles.
  private func transform(
    _ round: Range<Int>, of inputs: [Image], _ channels: Int, into v: UnsafeMutablePointer<Float>,
    _ placeStride: Int, _ pool: ThreadPool
  ) {
    pool.parallelPieces(round.count, of: 8) { piece, worker in
      let memory = WinogradTiles<Scheme>.Memory(
        pool.scratch(WinogradTiles<Scheme>.Memory.count(channels: channels), worker: worker),
        channels: channels)
      for index in piece {
        transform(round.lowerBound + index, of: inputs, into: v + index * channels, placeStride, memory)
      }
    }
  }
}
