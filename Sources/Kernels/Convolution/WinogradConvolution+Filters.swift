// The transforms of filters, which are done for sixteen pairs of channels at a time.

extension WinogradConvolution {
  /// U = G g Gᵀ for weights [9, C, K].
  func transformFilters(
    _ weights: UnsafePointer<Float>, into u: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    forEachFilterVector(pool) { index, between in filterVector(index, weights, u, between) }
  }

  /// dg = Gᵀ dU G, added to the weights' gradient [9, C, K].
  func addFilterGradient(
    _ u: UnsafePointer<Float>, to gradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    forEachFilterVector(pool) { index, between in filterGradientVector(index, u, gradient, between) }
  }

  /// Calls `body` for each sixteen of the C K pairs of channels, of which each has a filter.
  private func forEachFilterVector(
    _ pool: ThreadPool, _ body: (_ index: Int, _ between: UnsafeMutablePointer<Float>) -> Void
  ) {
    // C and K are multiples of 4, so nothing is left over.
    let vectors = shape.channels * shape.outputChannels / Vector.width
    pool.parallelPieces(vectors, of: 64) { range, worker in
      let between = pool.scratch(Self.places * Vector.width, worker: worker)
      for index in range { body(index &* Vector.width, between) }
    }
  }

  private func filterVector(
    _ index: Int, _ weights: UnsafePointer<Float>, _ u: UnsafeMutablePointer<Float>,
    _ between: UnsafeMutablePointer<Float>
  ) {
    let (width, stride) = (Vector.width, shape.channels * shape.outputChannels)
    for x in 0..<3 {
      let column: WinogradTransforms.Six<Vector> = WinogradTransforms.filter(
        (
          weights.vector(x &* stride &+ index), weights.vector((3 &+ x) &* stride &+ index),
          weights.vector((6 &+ x) &* stride &+ index)
        ))
      WinogradTransforms.store6(column, to: between, x &* width, 3 &* width)
    }
    for y in 0..<6 {
      let start = y &* 3 &* width
      let row: WinogradTransforms.Six<Vector> = WinogradTransforms.filter(
        (between.vector(start), between.vector(start &+ width), between.vector(start &+ 2 &* width)))
      WinogradTransforms.store6(row, to: u, y &* 6 &* stride &+ index, stride)
    }
  }

  private func filterGradientVector(
    _ index: Int, _ u: UnsafePointer<Float>, _ gradient: UnsafeMutablePointer<Float>,
    _ between: UnsafeMutablePointer<Float>
  ) {
    let (width, stride) = (Vector.width, shape.channels * shape.outputChannels)
    for x in 0..<6 {
      let column: WinogradTransforms.Three<Vector> = WinogradTransforms.filterAdjoint(
        (
          u.vector(x &* stride &+ index), u.vector((6 &+ x) &* stride &+ index),
          u.vector((12 &+ x) &* stride &+ index), u.vector((18 &+ x) &* stride &+ index),
          u.vector((24 &+ x) &* stride &+ index), u.vector((30 &+ x) &* stride &+ index)
        ))
      between.store(column.0, x &* width)
      between.store(column.1, (6 &+ x) &* width)
      between.store(column.2, (12 &+ x) &* width)
    }
    for y in 0..<3 {
      let row: WinogradTransforms.Three<Vector> = WinogradTransforms.filterAdjoint(
        WinogradTransforms.load6(between, y &* 6 &* width, width))
      @inline(__always) func add(_ value: Vector, _ x: Int) {
        let place = (y &* 3 &+ x) &* stride &+ index
        gradient.store(gradient.vector(place, as: Vector.self) + value, place)
      }
      add(row.0, 0)
      add(row.1, 1)
      add(row.2, 2)
    }
  }
}
