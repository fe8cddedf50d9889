import Foundation

/// A line chart over steps, as SVG.
package struct Chart {
  package struct Line {
    let name: String
    /// A class in the page's style sheet.
    let style: String
    /// In ascending order of steps.
    let points: [(step: Double, value: Double)]

    package init(name: String, style: String, points: [(step: Double, value: Double)]) {
      self.name = name
      self.style = style
      self.points = points
    }
  }

  let title: String
  let lines: [Line]
  /// Steps at which an event occurred.
  let marks: [Double]
  /// Whether the value axis is logarithmic, if the values permit it.
  let isLogarithmic: Bool
  /// Whether the value axis starts at 0.
  let beginsAtZero: Bool

  package init(
    title: String, lines: [Line], marks: [Double] = [], isLogarithmic: Bool = false,
    beginsAtZero: Bool = false
  ) {
    self.title = title
    self.lines = lines
    self.marks = marks
    self.isLogarithmic = isLogarithmic
    self.beginsAtZero = beginsAtZero
  }

  // Dimensions in the drawing's own units; the page scales it.
  private static let (width, height) = (640.0, 240.0)
  private static let (left, right, top, bottom) = (56.0, 22.0, 10.0, 26.0)
  /// More points than this cannot be distinguished.
  private static let pointsAtMost = 400

  /// nil if there is nothing to draw.
  package var svg: String? {
    let lines = lines.map { line in
      Line(
        name: line.name, style: line.style,
        points: line.points.filter { $0.step.isFinite && $0.value.isFinite })
    }
    .filter { !$0.points.isEmpty }
    let values = lines.flatMap { $0.points.map(\.value) }
    let steps = lines.flatMap { $0.points.map(\.step) } + marks
    guard let least = values.min(), let most = values.max(), let first = steps.min(), let last = steps.max()
    else {
      return nil
    }
    let isLogarithmic = isLogarithmic && least > 0 && most / least > 4
    func scaled(_ value: Double) -> Double { isLogarithmic ? log10(value) : value }
    let axis = Axis(from: beginsAtZero && !isLogarithmic ? min(0, least) : scaled(least), to: scaled(most))
    let stepAxis = Axis(from: first, to: last)
    let (plotWidth, plotHeight) = (Self.width - Self.left - Self.right, Self.height - Self.top - Self.bottom)
    func x(_ step: Double) -> Double { Self.left + (step - first) / max(last - first, 1e-9) * plotWidth }
    func y(_ value: Double) -> Double {
      Self.top + (1 - (scaled(value) - axis.low) / (axis.high - axis.low)) * plotHeight
    }
    func text(_ number: Double) -> String { String(format: "%.1f", number) }

    var parts = [
      "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" aria-label=\"\(HTML.escaped(title))\">"
    ]
    let ticks = isLogarithmic ? axis.decades : axis.ticks.map { ($0, Self.label($0)) }
    for (value, label) in ticks {
      let height = text(Self.top + (1 - (value - axis.low) / (axis.high - axis.low)) * plotHeight)
      parts.append(
        "<path class=\"grid\" d=\"M\(text(Self.left)) \(height)H\(text(Self.width - Self.right))\"/>"
          + "<text x=\"\(text(Self.left - 6))\" y=\"\(height)\" class=\"value\">\(label)</text>")
    }
    for step in stepAxis.ticks where step >= first && step <= last {
      parts.append(
        "<text x=\"\(text(x(step)))\" y=\"\(text(Self.height - 8))\" class=\"step\">\(Self.label(step))</text>"
      )
    }
    for mark in marks {
      parts.append("<path class=\"mark\" d=\"M\(text(x(mark))) \(text(Self.top))v\(text(plotHeight))\"/>")
    }
    for line in lines {
      let path = Self.thinned(line.points).map { "\(text(x($0.step))) \(text(y($0.value)))" }.joined(
        separator: "L")
      parts.append(
        "<path class=\"line \(line.style)\" d=\"M\(path)\"><title>\(HTML.escaped(line.name))</title></path>")
      if line.points.count == 1 {
        parts.append(
          "<circle class=\"point \(line.style)\" cx=\"\(text(x(line.points[0].step)))\" cy=\"\(text(y(line.points[0].value)))\" r=\"3\"/>"
        )
      }
    }
    return (parts + ["</svg>"]).joined()
  }

  /// Keeps the minimum and maximum of each interval, so that no spike is lost.
  package static func thinned(_ points: [(step: Double, value: Double)]) -> [(step: Double, value: Double)] {
    guard points.count > pointsAtMost else { return points }
    let stretches = pointsAtMost / 2
    return (0..<stretches).flatMap { index -> [(step: Double, value: Double)] in
      let stretch = points[index * points.count / stretches..<(index + 1) * points.count / stretches]
      guard let least = stretch.min(by: { $0.value < $1.value }),
        let most = stretch.max(by: { $0.value < $1.value })
      else { return [] }
      return least.step == most.step ? [least] : least.step < most.step ? [least, most] : [most, least]
    }
  }

  /// An exponential moving average of the finite values, over about a fiftieth of them.
  package static func smoothed(_ points: [(step: Double, value: Double)]) -> [(step: Double, value: Double)] {
    let points = points.filter(\.value.isFinite)
    let rate = 1 / max(Double(points.count) / 50, 1)
    var mean = points.first?.value ?? 0
    return points.map { point in
      mean += rate * (point.value - mean)
      return (point.step, mean)
    }
  }

  /// `0.00125`, `12.5k`, `3e-06`.
  package static func label(_ value: Double) -> String {
    let size = abs(value)
    if size >= 1e6 { return trimmed(value / 1e6) + "M" }
    if size >= 1e4 { return trimmed(value / 1e3) + "k" }
    return size > 0 && size < 1e-3 ? String(format: "%.0e", value) : trimmed(value)
  }

  private static func trimmed(_ value: Double) -> String { String(format: "%.4g", value) }
}
