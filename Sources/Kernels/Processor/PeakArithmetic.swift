import Dispatch

/// The peak rate of multiplications and additions, against which the speed of kernels is measured.
public enum PeakArithmetic {
  private static let iterations = 1 << 21
  /// The number of independent sums, more than are needed to keep all of a processor's multipliers busy.
  private static let sums = 12

  /// Multiplications and additions per second on all threads of `pool`, each counted as one, measured with fused
  /// multiply-adds in registers.
  ///
  /// - Parameter rounds: the number of rounds, of some milliseconds each. The result is that of one of the fastest,
  ///   since other processes may use the cores now and then; not of the very fastest, which on a shared host may be
  ///   unrepresentative.
  public static func flopsPerSecond(pool: ThreadPool, rounds: Int = 64) -> Double {
    let flops = 2 * Vector.width * sums * iterations * pool.threadCount
    let times = (0..<rounds).map { _ in
      let start = DispatchTime.now().uptimeNanoseconds
      pool.parallel(pool.threadCount) { task, worker in
        multiplyAndAdd(Float(task), into: pool.scratch(Vector.width, worker: worker))
      }
      return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
    }
    return Double(flops) / times.sorted()[rounds / 16]
  }

  /// Writes the result, so that the compiler cannot eliminate the computation.
  private static func multiplyAndAdd(_ start: Float, into result: UnsafeMutablePointer<Float>) {
    let factor = Vector(repeating: 0.999)
    let addend = Vector(repeating: start + 0.001)
    // Twelve variables, not an array: they must stay in registers.
    var (a, b, c, d) = (addend, addend + 1, addend + 2, addend + 3)
    var (e, f, g, h) = (addend + 4, addend + 5, addend + 6, addend + 7)
    var (i, j, k, l) = (addend + 8, addend + 9, addend + 10, addend + 11)
    for _ in 0..<iterations {
      a = a.times(factor, plus: addend)
      b = b.times(factor, plus: addend)
      c = c.times(factor, plus: addend)
      d = d.times(factor, plus: addend)
      e = e.times(factor, plus: addend)
      f = f.times(factor, plus: addend)
      g = g.times(factor, plus: addend)
      h = h.times(factor, plus: addend)
      i = i.times(factor, plus: addend)
      j = j.times(factor, plus: addend)
      k = k.times(factor, plus: addend)
      l = l.times(factor, plus: addend)
    }
    (a + b + c + d + e + f + g + h + i + j + k + l).store(to: result)
  }
}
