/// y = a GELU(g), with the exact GELU: GEGLU (Shazeer, 2020) without its linear layer.
///
/// Layouts: x [R, 2 K], K values a followed by K gates g in each row; y [R, K].
public struct GatedGELU: Sendable {
  public let rows: Int
  /// K.
  public let width: Int

  /// The number of rows per task.
  private var rowsTogether: Int { max(8192 / width, 1) }

  public init(rows: Int, width: Int) {
    precondition(rows > 0 && width > 0, "\(rows) rows of \(width) gated numbers")
    self.rows = rows
    self.width = width
  }

  public func forward(_ x: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, pool: ThreadPool) {
    forEachRow(pool) { row in
      let (a, y) = (x + row &* 2 &* width, output + row &* width)
      let g = a + width
      forEachVector(width) { index in
        (Vector(from: a + index) * Vector(from: g + index).gelu).store(to: y + index)
      } rest: { index, rest in
        (Vector(from: a + index, count: rest) * Vector(from: g + index, count: rest).gelu)
          .store(to: y + index, count: rest)
      }
    }
  }

  /// Writes da = dy GELU(g) and dg = dy a GELU'(g).
  public func backward(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    forEachRow(pool) { row in
      let (a, dy, da) = (
        x + row &* 2 &* width, outputGradient + row &* width, inputGradient + row &* 2 &* width
      )
      let (g, dg) = (a + width, da + width)
      forEachVector(width) { index in
        let (gate, gradient) = (Vector(from: g + index), Vector(from: dy + index))
        (gradient * gate.gelu).store(to: da + index)
        (gradient * Vector(from: a + index) * gate.geluSlope).store(to: dg + index)
      } rest: { index, rest in
        let (gate, gradient) = (Vector(from: g + index, count: rest), Vector(from: dy + index, count: rest))
        (gradient * gate.gelu).store(to: da + index, count: rest)
        (gradient * Vector(from: a + index, count: rest) * gate.geluSlope).store(to: dg + index, count: rest)
      }
    }
  }

  @inline(__always)
  private func forEachRow(_ pool: ThreadPool, _ body: (_ row: Int) -> Void) {
    pool.parallelPieces(rows, of: rowsTogether) { rows, _ in
      for row in rows { body(row) }
    }
  }
}
