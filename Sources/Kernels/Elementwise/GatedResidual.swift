/// y = x + gate z, with a gate for each image and channel (DiT's adaLN-Zero: Peebles and Xie, 2022).
///
/// Layouts: x, y, z [B, N, C]; the gate is C columns of a [B, M] matrix whose rows are `gateStride` floats apart.
public struct GatedResidual: Sendable {
  public let batch: Int
  public let tokens: Int
  public let channels: Int
  public let gateStride: Int

  private var pieces: TokenPieces { TokenPieces(batch: batch, tokens: tokens) }

  public init(batch: Int, tokens: Int, channels: Int, gateStride: Int) {
    precondition(
      batch > 0 && tokens > 0 && channels > 0 && gateStride >= channels,
      "[\(batch), \(tokens), \(channels)] with gates \(gateStride) floats apart")
    self.batch = batch
    self.tokens = tokens
    self.channels = channels
    self.gateStride = gateStride
  }

  public func forward(
    _ x: UnsafePointer<Float>, _ z: UnsafePointer<Float>, gate: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let c = channels
    pool.parallel(pieces.count) { task, _ in
      let (image, rows) = pieces.piece(task)
      let gate = gate + image * gateStride
      for row in rows {
        let (x, z, output) = (x + row &* c, z + row &* c, output + row &* c)
        forEachVector(c) { index in
          Vector(from: z + index).times(Vector(from: gate + index), plus: Vector(from: x + index)).store(
            to: output + index)
        } rest: { index, rest in
          for at in index..<index &+ rest { output[at] = x[at].addingProduct(z[at], gate[at]) }
        }
      }
    }
  }

  /// Writes dz = gate dy, and accumulates Σ dy z over an image's tokens in the gate's gradient, which has the gate's
  /// layout; nil skips a gradient. dx is dy itself.
  public func backward(
    _ z: UnsafePointer<Float>, gate: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    gatedGradient: UnsafeMutablePointer<Float>?, gateGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    let c = channels
    let partial = FloatMemory.allocate(pieces.count * c)
    defer { partial.deallocate() }
    let sums = partial.baseAddress!
    pool.parallel(pieces.count) { task, _ in
      let (image, rows) = pieces.piece(task)
      let (gate, sum) = (gate + image * gateStride, sums + task * c)
      sum.update(repeating: 0, count: c)
      for row in rows {
        let (z, dy) = (z + row &* c, outputGradient + row &* c)
        let dz = gatedGradient.map { $0 + row &* c }
        forEachVector(c) { index in
          let gradient = Vector(from: dy + index)
          gradient.times(Vector(from: z + index), plus: Vector(from: sum + index)).store(to: sum + index)
          if let dz { (gradient * Vector(from: gate + index)).store(to: dz + index) }
        } rest: { index, rest in
          for at in index..<index &+ rest {
            sum[at] = sum[at].addingProduct(dy[at], z[at])
            if let dz { dz[at] = dy[at] * gate[at] }
          }
        }
      }
    }
    guard let gateGradient else { return }
    for image in 0..<batch {
      for piece in pieces.pieces(of: image) {
        Reduction.add(sums + piece * c, to: gateGradient + image * gateStride, count: c)
      }
    }
  }
}
