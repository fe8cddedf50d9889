/// The symbols of a tokeniser and their ids.
struct Vocabulary: Sendable {
  /// Beyond any tokeniser's.
  static let largestID = 1 << 24

  /// The symbols by id; ids need not be without gaps.
  private(set) var symbols: [[UInt8]?] = []
  /// Symbols are compared as bytes: Swift's strings are equal when they differ in normalisation only.
  private(set) var ids: [[UInt8]: Int32] = [:]

  subscript(_ symbol: [UInt8]) -> Int32? { ids[symbol] }

  func symbol(_ id: Int) -> [UInt8]? { symbols.indices.contains(id) ? symbols[id] : nil }

  /// The number of symbols.
  var count: Int { ids.count }

  /// The symbol that has `id` already, if another has.
  mutating func add(_ symbol: [UInt8], id: Int) -> [UInt8]? {
    precondition((0...Self.largestID).contains(id), "the id \(id)")
    if let other = self.symbol(id) { return other }
    if id >= symbols.count { symbols += Array(repeating: nil, count: id + 1 - symbols.count) }
    symbols[id] = symbol
    ids[symbol] = Int32(id)
    return nil
  }

  /// Gives `symbol` the id behind all others; the id that it has if it is there already.
  mutating func append(_ symbol: [UInt8]) -> Int32 {
    if let id = ids[symbol] { return id }
    let id = symbols.count
    symbols.append(symbol)
    ids[symbol] = Int32(id)
    return Int32(id)
  }

  /// The 256 bytes within a word, and at its end, as CLIP numbers them.
  static func ofBytes() -> Vocabulary {
    var vocabulary = Vocabulary()
    for suffix in [[], ByteSymbols.wordEnd] {
      for byte in ByteSymbols.order { _ = vocabulary.append(ByteSymbols.characters[Int(byte)] + suffix) }
    }
    return vocabulary
  }
}
