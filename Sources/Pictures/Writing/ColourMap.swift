/// Maps numbers from 0 to 1 to colours: dark blue to green to yellow, perceptually uniform, also when printed in grey.
///
/// Stéfan van der Walt and Nathaniel Smith's viridis (matplotlib, CC0), linearly interpolated between eight of its
/// colours.
public enum ColourMap {
  private static let colours: [SIMD3<Float>] = [
    [68, 1, 84], [70, 50, 127], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 194, 109],
    [159, 218, 58], [253, 231, 37],
  ]

  /// Red, green and blue; values out of range are clamped, and NaN is black.
  public static func colour(_ value: Float) -> [UInt8] {
    guard !value.isNaN else { return [0, 0, 0] }
    let place = min(max(value, 0), 1) * Float(colours.count - 1)
    let lower = min(Int(place), colours.count - 2)
    let fraction = place - Float(lower)
    let mixed = colours[lower] * (1 - fraction) + colours[lower + 1] * fraction
    return (0..<3).map { UInt8(mixed[$0].rounded()) }
  }
}
