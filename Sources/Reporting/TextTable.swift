/// A table with aligned columns: text to the left, numbers to the right.
public struct TextTable {
  private var rows: [[String]]
  private let textColumns: Int

  /// - Parameters:
  ///   - header: the names of the columns.
  ///   - textColumns: how many of the leading columns are text.
  public init(_ header: [String], textColumns: Int = 1) {
    rows = [header]
    self.textColumns = textColumns
  }

  public mutating func add(_ row: [String]) {
    precondition(row.count == rows[0].count, "\(row.count) cells in a table of \(rows[0].count) columns")
    rows.append(row)
  }

  /// The table with one line per row.
  public var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = zip(row, widths).enumerated().map { column, cell in
        let padding = String(repeating: " ", count: cell.1 - cell.0.count)
        return column < textColumns ? cell.0 + padding : padding + cell.0
      }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
  }
}
