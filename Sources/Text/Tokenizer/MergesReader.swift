import Files

/// Reads lists of merges.
struct MergesReader {
  let path: String
  let vocabulary: Vocabulary
  private(set) var merges: [MergeTable.Pair: MergeTable.Merge] = [:]

  init(path: String, vocabulary: Vocabulary) {
    self.path = path
    self.vocabulary = vocabulary
  }

  /// Adds the merge of the symbols `left` and `right`, with the next rank.
  mutating func add(_ left: [UInt8], _ right: [UInt8], line: Int?) throws {
    func id(_ symbol: [UInt8], _ what: String) throws -> Int32 {
      guard let id = vocabulary[symbol] else {
        throw TokenizerError(
          path, line: line,
          "\(what) \"\(shown(symbol))\" is not in the vocabulary; vocabulary and merges are of different tokenisers"
        )
      }
      return id
    }
    let pair = MergeTable.Pair(left: try id(left, "the symbol"), right: try id(right, "the symbol"))
    let result = try id(left + right, "the merged symbol")
    guard merges[pair] == nil else {
      throw TokenizerError(path, line: line, "the merge \"\(shown(left)) \(shown(right))\" is there twice")
    }
    merges[pair] = MergeTable.Merge(rank: Int32(merges.count), result: result)
  }

  private func shown(_ symbol: [UInt8]) -> String { String(decoding: symbol, as: UTF8.self) }

  /// The two symbols on each line of a list of merges, with the line's number. A first line that names a version is a
  /// header; the last line may end in a line break.
  static func pairs(of content: [UInt8], path: String) throws -> [(left: [UInt8], right: [UInt8], line: Int)]
  {
    var lines = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty ?? false { lines.removeLast() }
    var pairs: [(left: [UInt8], right: [UInt8], line: Int)] = []
    pairs.reserveCapacity(lines.count)
    for (place, text) in lines.enumerated() {
      let line = text.last == UInt8(ascii: "\r") ? text.dropLast() : text
      if place == 0, String(decoding: line, as: UTF8.self).contains("#version") { continue }
      let symbols = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      guard symbols.count == 2, symbols.allSatisfy({ !$0.isEmpty }),
        String(validating: line, as: UTF8.self) != nil
      else {
        throw TokenizerError(
          path, line: place + 1,
          "\"\(String(decoding: line.prefix(60), as: UTF8.self))\" is not a merge; expected two symbols with one space "
            + "between them")
      }
      pairs.append((Array(symbols[0]), Array(symbols[1]), place + 1))
    }
    return pairs
  }
}
