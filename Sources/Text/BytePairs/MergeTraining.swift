/// Learns merges from texts: the training of byte-pair encoding (Sennrich, Haddow and Birch, 2016, algorithm 1).
///
/// Each iteration turns the most frequent pair of adjacent symbols into a symbol. Ties are broken by the lower id of
/// the left symbol, then of the right symbol; ids count the bytes in CLIP's order, then the symbols in the order of
/// their creation. So the merges do not depend on the order of the words.
struct MergeTraining {
  private struct Word {
    var symbols: [Int32]
    let count: Int
  }

  private struct Candidate: Comparable {
    let count: Int
    let pair: MergeTable.Pair
    /// The heap's least element has the largest count.
    static func < (a: Self, b: Self) -> Bool {
      (b.count, a.pair.left, a.pair.right) < (a.count, b.pair.left, b.pair.right)
    }
  }

  private(set) var vocabulary = Vocabulary.ofBytes()
  private(set) var merges: [MergeTable.Pair: MergeTable.Merge] = [:]
  private var words: [Word] = []
  private var counts: [MergeTable.Pair: Int] = [:]
  /// Words that contain a pair, or once did.
  private var places: [MergeTable.Pair: Set<Int>] = [:]
  private var queue = Heap<Candidate>()

  /// - Parameter words: the bytes of each word, and how often it occurs in the texts.
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

  /// Merges until the vocabulary has `size` symbols, or no pair occurs twice.
  mutating func run(size: Int) {
    while vocabulary.count < size, let best = queue.popMin() {
      let count = counts[best.pair] ?? 0
      guard count == best.count else {
        // The pair became rarer after it was queued; pairs that became more frequent were queued again.
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
    // Another pair may already have produced the same symbol.
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
