import Foundation

/// Reference implementation of `GroupNormalization` for tests: value by value in double precision, on one thread. Same
/// layouts: x, y [B, N, C], gamma, beta [C], scaleShift [B, 2C].
public enum ReferenceGroupNormalization {
  /// y = act((x^ gamma + beta)(1 + scale) + shift), with the sizes, epsilon and activation of `norm`.
  public static func forward(
    _ norm: GroupNormalization, _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>,
    beta: UnsafePointer<Float>,
    scaleShift: UnsafePointer<Float>?, output: UnsafeMutablePointer<Float>
  ) {
    let (n, c) = (norm.pixels, norm.channels)
    let width = c / norm.groups
    for image in 0..<norm.batch {
      for group in 0..<norm.groups {
        let channels = group * width..<(group + 1) * width
        let places = (0..<n).flatMap { pixel in channels.map { (image * n + pixel) * c + $0 } }
        let mean = places.reduce(0) { $0 + Double(x[$1]) } / Double(places.count)
        let variance =
          places.reduce(0) { $0 + (Double(x[$1]) - mean) * (Double(x[$1]) - mean) } / Double(places.count)
        for place in places {
          let channel = place % c
          let normalized = (Double(x[place]) - mean) / (variance + Double(norm.epsilon)).squareRoot()
          let scale = Double(scaleShift?[image * 2 * c + channel] ?? 0)
          let shift = Double(scaleShift?[image * 2 * c + c + channel] ?? 0)
          let value = (normalized * Double(gamma[channel]) + Double(beta[channel])) * (1 + scale) + shift
          switch norm.activation {
          case .none: output[place] = Float(value)
          case .relu: output[place] = Float(max(value, 0))
          case .silu: output[place] = Float(value / (1 + exp(-value)))
          }
        }
      }
    }
  }
}
