/// The Gray-Scott reaction-diffusion system on a periodic grid (Pearson, 1993, "Complex Patterns in a Simple System",
/// https://arxiv.org/abs/patt-sol/9304003, equation 2):
///
///     ∂u/∂t = D_u ∇²u - u v² + F (1 - u)
///     ∂v/∂t = D_v ∇²v + u v² - (F + k) v
///
/// with D_u = 2 10^-5, D_v = 10^-5, a grid spacing of 2.5/256 and time steps of 1: explicit Euler steps with the
/// five-point Laplacian, in single precision. u and v are concentrations; u is fed at rate F, and v is removed at rate
/// F + k.
struct GrayScott {
  /// Points along each side.
  let size: Int
  let feed: Float
  let kill: Float
  /// [size + 2, size + 2], the grid with a border that wraps around to the opposite edges.
  private var u: [Float]
  private var v: [Float]
  private var nextU: [Float]
  private var nextV: [Float]

  /// D / h² for u and v.
  private static let diffusion: (u: Float, v: Float) = {
    let inverse = (256.0 / 2.5) * (256.0 / 2.5)
    return (Float(2e-5 * inverse), Float(1e-5 * inverse))
  }()

  private var stride: Int { size + 2 }

  /// - Parameters:
  ///   - u: [size, size].
  ///   - v: the same.
  init(size: Int, feed: Float, kill: Float, u: [Float], v: [Float]) {
    precondition(
      size > 0 && u.count == size * size && v.count == size * size,
      "\(u.count) and \(v.count) values of \(size) x \(size)")
    self.size = size
    self.feed = feed
    self.kill = kill
    let count = (size + 2) * (size + 2)
    self.u = [Float](repeating: 0, count: count)
    self.v = self.u
    (nextU, nextV) = (self.u, self.u)
    for y in 0..<size {
      for x in 0..<size {
        self.u[(y + 1) * stride + x + 1] = u[y * size + x]
        self.v[(y + 1) * stride + x + 1] = v[y * size + x]
      }
    }
  }

  /// The concentrations, [size, size, 2].
  var values: [Float] {
    (0..<size * size).flatMap { place in
      let inside = (place / size + 1) * stride + place % size + 1
      return [u[inside], v[inside]]
    }
  }

  mutating func advance(steps: Int) {
    for _ in 0..<steps { advance() }
  }

  private mutating func advance() {
    Self.wrap(&u, size)
    Self.wrap(&v, size)
    let (size, stride, feed, loss) = (size, stride, feed, feed + kill)
    let (du, dv) = Self.diffusion
    u.withUnsafeBufferPointer { u in
      v.withUnsafeBufferPointer { v in
        nextU.withUnsafeMutableBufferPointer { nextU in
          nextV.withUnsafeMutableBufferPointer { nextV in
            for y in 1...size {
              for place in y &* stride &+ 1...y &* stride &+ size {
                let (a, b) = (u[place], v[place])
                let reaction = a * b * b
                let sumU = u[place &- stride] + u[place &+ stride] + (u[place &- 1] + u[place &+ 1])
                let sumV = v[place &- stride] + v[place &+ stride] + (v[place &- 1] + v[place &+ 1])
                nextU[place] = a + (du * (sumU - 4 * a) - reaction + feed * (1 - a))
                nextV[place] = b + (dv * (sumV - 4 * b) + reaction - loss * b)
              }
            }
          }
        }
      }
    }
    swap(&u, &nextU)
    swap(&v, &nextV)
  }

  /// Fills the border; its corners are not used.
  private static func wrap(_ values: inout [Float], _ size: Int) {
    let stride = size + 2
    for index in 1...size {
      values[index] = values[size * stride + index]
      values[(size + 1) * stride + index] = values[stride + index]
      values[index * stride] = values[index * stride + size]
      values[index * stride + size + 1] = values[index * stride + 1]
    }
  }
}
