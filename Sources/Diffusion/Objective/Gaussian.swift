import Foundation

/// Functions of the normal distribution.
package enum Gaussian {
  /// The quantile of the standard normal distribution at `p` in (0, 1).
  ///
  /// Acklam's rational approximation (relative error 1.15e-9), improved by one step of Halley's method.
  static func quantile(_ p: Double) -> Double {
    precondition(p > 0 && p < 1, "a probability of \(p)")
    let a = [
      -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02, 1.383577518672690e+02,
      -3.066479806614716e+01, 2.506628277459239e+00,
    ]
    let b = [
      -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
      -1.328068155288572e+01, 1,
    ]
    let c = [
      -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00, -2.549732539343734e+00,
      4.374664141464968e+00, 2.938163982698783e+00,
    ]
    let d = [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00, 1]
    func polynomial(_ coefficients: [Double], _ x: Double) -> Double {
      coefficients.reduce(0) { $0 * x + $1 }
    }
    let tail = 0.02425
    var z: Double
    if p < tail || p > 1 - tail {
      let q = (-2 * log(min(p, 1 - p))).squareRoot()
      z = polynomial(c, q) / polynomial(d, q)
      if p > 0.5 { z = -z }
    } else {
      let q = p - 0.5
      z = polynomial(a, q * q) * q / polynomial(b, q * q)
    }
    let error = 0.5 * erfc(-z / 2.0.squareRoot()) - p
    let u = error * (2 * Double.pi).squareRoot() * exp(z * z / 2)
    z -= u / (1 + z * u / 2)
    return z
  }

  /// Φ(x) ≈ (1 + tanh(sqrt(2/π) (x + 0.044715 x³))) / 2, as in improved-diffusion, and its derivative.
  package static func approximateDistribution(_ x: Double) -> (value: Double, slope: Double) {
    let scale = (2 / Double.pi).squareRoot()
    let hyperbolic = tanh(scale * (x + 0.044715 * x * x * x))
    let slope = 0.5 * (1 - hyperbolic * hyperbolic) * scale * (1 + 3 * 0.044715 * x * x)
    return (0.5 * (1 + hyperbolic), slope)
  }
}
