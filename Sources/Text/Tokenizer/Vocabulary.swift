/// The symbols of a tokeniser and their ids.
struct Vocabulary: Sendable {
  /// Larger than any tokeniser's ids.
  static let largestID = 1 << 24

  /// The symbols by id; ids may have gaps.
  private(set) var symbols: [[UInt8]?] = []
  /// Symbols are compared as bytes: Swift considers strings equal that differ only in normalisation.
  private(set) var ids: [[UInt8]: Int32] = [:]

  subscript(_ symbol: [UInt8]) -> Int32? { ids[symbol] }

  func symbol(_ id: Int) -> [UInt8]? { symbols.indices.contains(id) ? symbols[id] : nil }

  /// The number of symbols.
  var count: Int { ids.count }

  /// Adds `symbol` with `id`. Returns the symbol that already has `id`, if there is one.
  mutating func add(_ symbol: [UInt8], id: Int) -> [UInt8]? {
    precondition((0...Self.largestID).contains(id), "the id \(id)")
    if let other = self.symbol(id) { return other }
    if id >= symbols.count { symbols += Array(repeating: nil, count: id + 1 - symbols.count) }
    symbols[id] = symbol
    ids[symbol] = Int32(id)
    return nil
  }

  /// Gives `symbol` the next id after all others, or returns the id that it already has.
  mutating func append(_ symbol: [UInt8]) -> Int32 {
    if let id = ids[symbol] { return id }
    let id = symbols.count
    symbols.append(symbol)
    ids[symbol] = Int32(id)
    return Int32(id)
  }

  /// The 256 bytes within a word and at its end, as numbered by CLIP.
  static func ofBytes() -> Vocabulary {
    var vocabulary = Vocabulary()
    for suffix in [[], ByteSymbols.wordEnd] {
      for byte in ByteSymbols.order { _ = vocabulary.append(ByteSymbols.characters[Int(byte)] + suffix) }
    }
    return vocabulary
  }
}
