/// The merges of a vocabulary, laid out for encoding: byte-pair encoding (Sennrich, Haddow and Birch, "Neural Machine
/// Translation of Rare Words with Subword Units", 2016) of the bytes of words whose last byte is marked.
struct MergeTable: Sendable {
  /// Two adjacent symbols, by their ids.
  struct Pair: Hashable, Sendable {
    let left: Int32
    let right: Int32
  }

  /// The symbol that replaces a pair. The lowest rank is merged first.
  struct Merge: Sendable {
    let rank: Int32
    let result: Int32
  }

  /// The ids of the 256 bytes within a word, and at its end.
  let inner: [Int32]
  let final: [Int32]
  let merges: [Pair: Merge]

  /// The ids of a word.
  ///
  /// Merges the pair of the lowest rank, the leftmost of equal ones, until none is left. Takes O(n log n) for n bytes,
  /// because a word may be as long as a text.
  func encode(_ word: ArraySlice<UInt8>) -> [Int32] {
    guard let last = word.last else { return [] }
    var symbols = word.dropLast().map { inner[Int($0)] }
    symbols.append(final[Int(last)])
    guard symbols.count > 1 else { return symbols }
    return symbols.count <= Self.short ? encodeShort(symbols) : encodeLong(symbols)
  }

  /// Up to this length, searching for the best pair again after each merge is faster than keeping a queue.
  private static let short = 32

  private func encodeShort(_ initial: [Int32]) -> [Int32] {
    var symbols = initial
    while symbols.count > 1 {
      var best: (place: Int, merge: Merge)?
      for place in 0..<symbols.count - 1 {
        guard let merge = merges[Pair(left: symbols[place], right: symbols[place + 1])] else { continue }
        if best.map({ merge.rank < $0.merge.rank }) ?? true { best = (place, merge) }
      }
      guard let best else { break }
      symbols[best.place] = best.merge.result
      symbols.remove(at: best.place + 1)
    }
    return symbols
  }

  private struct Candidate: Comparable {
    let rank: Int32
    let place: Int32
    let result: Int32
    static func < (a: Self, b: Self) -> Bool { (a.rank, a.place) < (b.rank, b.place) }
  }

  /// Uses a linked list of symbols and a queue of their pairs; stale pairs are skipped when they are dequeued.
  private func encodeLong(_ initial: [Int32]) -> [Int32] {
    var symbols = initial
    let gone: Int32 = -2
    let count = Int32(symbols.count)
    var before = Array(-1..<count - 1)
    var after = Array(1...count)
    var queue = Heap<Candidate>()
    func pair(at place: Int32) -> Merge? {
      let next = after[Int(place)]
      guard next < count else { return nil }
      return merges[Pair(left: symbols[Int(place)], right: symbols[Int(next)])]
    }
    func offer(_ place: Int32) {
      guard place >= 0, let merge = pair(at: place) else { return }
      queue.insert(Candidate(rank: merge.rank, place: place, result: merge.result))
    }
    for place in 0..<count { offer(place) }
    while let best = queue.popMin() {
      let place = Int(best.place)
      guard symbols[place] != gone, let merge = pair(at: best.place), merge.rank == best.rank else {
        continue
      }
      let next = Int(after[place])
      symbols[place] = merge.result
      symbols[next] = gone
      after[place] = after[next]
      if after[next] < count { before[Int(after[next])] = best.place }
      offer(before[place])
      offer(best.place)
    }
    return symbols.filter { $0 != gone }
  }
}
