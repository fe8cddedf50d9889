import Foundation
import Reporting
import Tensors

extension Profile {
  /// A table of how the time of `steps` steps is spent, averaged per step, by operation in descending order.
  public func table(steps: Int) -> String {
    var table = TextTable(
      ["operation", "pass", "calls", "ms", "share", "GFLOP", "GFLOP/s", "MB", "GB/s"], textColumns: 2)
    let total = events.filter { $0.name == "step" && $0.kind == .group }.reduce(0) { $0 + $1.seconds }
    let leaves = events.filter { $0.kind != .group && $0.lane == 0 }
    let rows = Dictionary(grouping: leaves) { Row.Key(name: $0.name, kind: $0.kind) }
      .map { Row(key: $0, events: $1) }
      .sorted {
        ($1.seconds, $0.key.name, $0.key.kind.rawValue) < ($0.seconds, $1.key.name, $1.key.kind.rawValue)
      }
    for row in rows { table.add(row.cells(steps: steps, total: total)) }
    let rest = total - rows.reduce(0) { $0 + $1.seconds }
    table.add(Row.cells("between them", "", seconds: rest, steps: steps, total: total))
    table.add(Row.cells("step", "", seconds: total, steps: steps, total: total))
    return table.text
  }

  /// The events of one operation in one pass.
  private struct Row {
    struct Key: Hashable {
      let name: String
      let kind: Kind
    }

    let key: Key
    let seconds: Double
    private let calls: Int
    private let flops: Double
    private let bytes: Double

    init(key: Key, events: [Event]) {
      self.key = key
      calls = events.count
      seconds = events.reduce(0) { $0 + $1.seconds }
      flops = events.reduce(0) { $0 + Double($1.cost.flops) }
      bytes = events.reduce(0) { $0 + Double($1.cost.bytes) }
    }

    func cells(steps: Int, total: Double) -> [String] {
      var cells = Self.cells(
        key.name, key.kind == .phase ? "" : key.kind.rawValue, seconds: seconds, steps: steps, total: total)
      cells[2] = "\(calls / steps)"
      let each = 1 / Double(steps)
      if flops > 0 {
        cells[5] = String(format: "%.3f", flops * each * 1e-9)
        cells[6] = String(format: "%.1f", flops / seconds * 1e-9)
      }
      if bytes > 0 {
        cells[7] = String(format: "%.1f", bytes * each * 1e-6)
        cells[8] = String(format: "%.1f", bytes / seconds * 1e-9)
      }
      return cells
    }

    static func cells(_ name: String, _ pass: String, seconds: Double, steps: Int, total: Double) -> [String]
    {
      [
        name, pass, "", String(format: "%.2f", 1e3 * seconds / Double(steps)),
        String(format: "%.1f%%", 100 * seconds / total), "", "", "", "",
      ]
    }
  }
}
