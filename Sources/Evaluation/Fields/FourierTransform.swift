import Foundation

/// The discrete Fourier transform X_k = Σ_n x_n e^(-2πi kn/N) of N complex numbers, for any N: even lengths are halved
/// recursively (Cooley and Tukey, 1965), odd ones use the definition. In double precision.
struct FourierTransform {
  let count: Int
  /// e^(-2πi k/N), k = 0..<N.
  private let roots: [(Double, Double)]

  init(_ count: Int) {
    precondition(count > 0, "a transform of \(count) numbers")
    self.count = count
    roots = (0..<count).map { k in
      let angle = -2 * Double.pi * Double(k) / Double(count)
      return (cos(angle), sin(angle))
    }
  }

  /// - Parameter values: [N], real and imaginary parts.
  func callAsFunction(_ values: [(Double, Double)]) -> [(Double, Double)] {
    precondition(values.count == count, "\(values.count) values for a transform of \(count)")
    return transform(values[...], step: 1)
  }

  /// - Parameter step: N divided by the number of values.
  private func transform(_ values: ArraySlice<(Double, Double)>, step: Int) -> [(Double, Double)] {
    let values = Array(values)
    let n = values.count
    guard n % 2 == 0 else {
      return (0..<n).map { k in
        values.enumerated().reduce((0, 0)) { sum, value in
          let product = Self.product(value.element, roots[k * value.offset % n * step])
          return (sum.0 + product.0, sum.1 + product.1)
        }
      }
    }
    func half(_ first: Int) -> [(Double, Double)] {
      transform(stride(from: first, to: n, by: 2).map { values[$0] }[...], step: 2 * step)
    }
    let (even, odd) = (half(0), half(1))
    var result = even + even
    for k in 0..<n / 2 {
      let turned = Self.product(odd[k], roots[k * step])
      result[k] = (even[k].0 + turned.0, even[k].1 + turned.1)
      result[k + n / 2] = (even[k].0 - turned.0, even[k].1 - turned.1)
    }
    return result
  }

  private static func product(_ a: (Double, Double), _ b: (Double, Double)) -> (Double, Double) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
  }
}
