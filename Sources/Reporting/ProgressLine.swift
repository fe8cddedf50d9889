/// A line that shows the state of a task, fitted to a width. ASCII only, since not every terminal on a cluster supports
/// more.
struct ProgressLine {
  let label: String
  let completed: Int
  let total: Int
  let fields: [String]
  /// Such as `2:03 left`, the most important first.
  let times: [String]

  private static let barWidths = 10...40

  /// Without a width, shows everything except the bar. With one, drops what does not fit: first all times but one, then
  /// the bar, then fields starting from the last, then the remaining time.
  func text(width: Int?) -> String {
    let fraction = total > 0 ? min(1, Double(completed) / Double(total)) : 1
    let percent = "\(Int(fraction * 100))%"
    // Padded so that the line does not shift as the number grows.
    let digits = String(total).count - String(completed).count
    let count = String(repeating: " ", count: max(0, digits)) + "\(completed)/\(total)"
    let head = width == nil ? [label, "\(completed)/\(total)", percent] : [label, count, percent]
    guard let width else { return (head + fields + times).joined(separator: "  ") }

    for (fieldCount, timeCount, needsBar) in candidates {
      let tail = fields.prefix(fieldCount) + times.prefix(timeCount)
      let room = width - (head + tail).joined(separator: "  ").count
      let barRoom = room - "  []".count
      if barRoom >= Self.barWidths.lowerBound {
        let length = min(barRoom, Self.barWidths.upperBound)
        let filled = Int(fraction * Double(length))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: length - filled)
        return ([label, "[\(bar)]"] + head.dropFirst() + tail).joined(separator: "  ")
      }
      if room >= 0 && !needsBar { return (head + tail).joined(separator: "  ") }
    }
    return String(head.joined(separator: "  ").prefix(max(0, width)))
  }

  /// The combinations of fields and times to try, in order of preference, and whether each is only acceptable with a
  /// bar.
  private var candidates: [(fields: Int, times: Int, needsBar: Bool)] {
    let one = min(1, times.count)
    return [(fields.count, times.count, true), (fields.count, one, true)]
      + (0...fields.count).reversed().map { ($0, one, false) } + [(0, 0, false)]
  }
}
