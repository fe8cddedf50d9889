import Foundation

/// The range of an axis and the positions of its labels.
package struct Axis {
  package let low: Double
  package let high: Double

  package init(from least: Double, to most: Double) {
    let room = most > least ? (most - least) * 0.05 : max(abs(most) * 0.1, 1e-9)
    low = least == 0 ? 0 : least - room
    high = most + room
  }

  /// About five round numbers.
  package var ticks: [Double] {
    let raw = (high - low) / 6
    let magnitude = pow(10, floor(log10(raw)))
    let distance = [1, 2, 5, 10].map { $0 * magnitude }.first { $0 >= raw } ?? raw
    return Array(stride(from: (low / distance).rounded(.up) * distance, through: high, by: distance))
      .map { abs($0) < distance * 1e-6 ? 0 : $0 }
  }

  /// Labels of a logarithmic axis: 1, 2 and 5 times each power of ten, or only the powers if the axis spans many of
  /// them.
  var decades: [(place: Double, label: String)] {
    let factors = high - low > 2.5 ? [1.0] : [1.0, 2.0, 5.0]
    return (Int(floor(low))...Int(ceil(high))).flatMap { power in factors.map { $0 * pow(10, Double(power)) }
    }
    .map { (log10($0), Chart.label($0)) }.filter { $0.0 >= low && $0.0 <= high }
  }
}
