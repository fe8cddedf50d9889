/// Learns merges from texts: byte-pair encoding's training (Sennrich, Haddow and Birch, 2016, algorithm 1).
///
/// Again and again the pair of symbols that stands in the words most often becomes a symbol. Of pairs that are equally
/// frequent the one whose left symbol has the lower id is taken, then the one whose right symbol has: ids count the bytes
/// in CLIP's order, then the symbols in the order of their making. So the same words in any order give the same merges.
struct MergeTraining {
  private struct Word {
    var symbols: [Int32]
    let count: Int
  }

  private struct Candidate: Comparable {
    let count: Int
    let pair: MergeTable.Pair
    /// Of the heap's least element the count is the largest.
    static func < (a: Self, b: Self) -> Bool {
      (b.count, a.pair.left, a.pair.right) < (a.count, b.pair.left, b.pair.right)
    }
  }

  private(set) var vocabulary = Vocabulary.ofBytes()
  private(set) var merges: [MergeTable.Pair: MergeTable.Merge] = [:]
  private var words: [Word] = []
  private var counts: [MergeTable.Pair: Int] = [:]
  /// Words that have, or once had, a pair.
  private var places: [MergeTable.Pair: Set<Int>] = [:]
  private var queue = Heap<Candidate>()

  /// - Parameter words: the words' bytes, and how often each stands in the texts.
  init(words: [[UInt8]: Int]) {
    let table = MergeTable(
      inner: Self.ids(vocabulary, suffix: []), final: Self.ids(vocabulary, suffix: ByteSymbols.wordEnd),
      merges: [:])
    self.words = words.map { Word(symbols: table.encode($0.key[...]), count: $0.value) }
    for index in self.words.indices { addPairs(of: index) }
    for (pair, count) in counts { queue.insert(Candidate(count: count, pair: pair)) }
  }

  private static func ids(_ vocabulary: Vocabulary, suffix: [UInt8]) -> [Int32] {
    ByteSymbols.characters.map { character in
      guard let id = vocabulary[character + suffix] else { preconditionFailure("a byte without a symbol") }
      return id
    }
  }

  /// Merges until the vocabulary has `size` symbols, or no pair stands in the texts twice.
  mutating func run(size: Int) {
    while vocabulary.count < size, let best = queue.popMin() {
      let count = counts[best.pair] ?? 0
      guard count == best.count else {
        // The pair became rarer since it was queued; what became more frequent was queued again.
        if count > 0, count < best.count { queue.insert(Candidate(count: count, pair: best.pair)) }
        continue
      }
      guard count >= 2 else { return }
      merge(best.pair)
    }
  }

  private mutating func merge(_ pair: MergeTable.Pair) {
    guard let left = vocabulary.symbol(Int(pair.left)), let right = vocabulary.symbol(Int(pair.right)) else {
      return
    }
    // Another pair may have given the same symbol already.
    let result = vocabulary.append(left + right)
    merges[pair] = MergeTable.Merge(rank: Int32(merges.count), result: result)
    var touched: Set<MergeTable.Pair> = []
    for index in places[pair] ?? [] {
      touched.formUnion(removePairs(of: index))
      words[index].symbols = Self.merged(words[index].symbols, pair, into: result)
      touched.formUnion(addPairs(of: index))
    }
    counts[pair] = nil
    places[pair] = nil
    touched.remove(pair)
    for changed in touched {
      if let count = counts[changed], count > 0 { queue.insert(Candidate(count: count, pair: changed)) }
    }
  }

  private static func merged(_ symbols: [Int32], _ pair: MergeTable.Pair, into result: Int32) -> [Int32] {
    var merged: [Int32] = []
    merged.reserveCapacity(symbols.count)
    var place = 0
    while place < symbols.count {
      if place + 1 < symbols.count, symbols[place] == pair.left, symbols[place + 1] == pair.right {
        merged.append(result)
        place += 2
      } else {
        merged.append(symbols[place])
        place += 1
      }
    }
    return merged
  }

  @discardableResult private mutating func addPairs(of index: Int) -> Set<MergeTable.Pair> {
    var pairs: Set<MergeTable.Pair> = []
    let word = words[index]
    for (left, right) in zip(word.symbols, word.symbols.dropFirst()) {
      let pair = MergeTable.Pair(left: left, right: right)
      counts[pair, default: 0] += word.count
      if pairs.insert(pair).inserted { places[pair, default: []].insert(index) }
    }
    return pairs
  }

  private mutating func removePairs(of index: Int) -> Set<MergeTable.Pair> {
    var pairs: Set<MergeTable.Pair> = []
    let word = words[index]
    for (left, right) in zip(word.symbols, word.symbols.dropFirst()) {
      let pair = MergeTable.Pair(left: left, right: right)
      counts[pair, default: 0] -= word.count
      pairs.insert(pair)
    }
    return pairs
  }
}
