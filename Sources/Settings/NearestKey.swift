/// Finds the key that a misspelt one was probably meant to be.
public enum NearestKey {
  /// The known key with the smallest edit distance to `key`; nil if more than a third of the letters differ. Case is
  /// ignored, as are dashes in place of underscores. In a tie, the first key wins.
  public static func among(_ known: [String], to key: String) -> String? {
    known
      .map { (key: $0, edits: edits(from: normal(key), to: normal($0))) }
      .filter { $0.edits <= max(1, max(key.count, $0.key.count) / 3) }
      .min { $0.edits < $1.edits }?.key
  }

  private static func normal(_ key: String) -> [Character] { key.lowercased().map { $0 == "-" ? "_" : $0 } }

  /// The minimum number of letters inserted, removed, replaced or swapped with their neighbour (optimal string
  /// alignment).
  static func edits(from a: [Character], to b: [Character]) -> Int {
    var beforeLast = [Int]()
    var last = Array(0...b.count)
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var least = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, beforeLast[j - 1] + 1) }
        row.append(least)
      }
      (beforeLast, last) = (last, row)
    }
    return last[b.count]
  }
}
