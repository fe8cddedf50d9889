import Synchronization

/// The tokeniser of CLIP's text transformers (Radford et al., "Learning Transferable Visual Models From Natural Language
/// Supervision", 2021): byte-pair encoding of lower-case words.
///
/// Produces the tokens of the program to which the files belong: transformers' `CLIPTokenizer` for its folders,
/// open_clip for the original merges file. Safe to use from any thread.
public final class CLIPTokenizer: Sendable {
  /// The program whose treatment of texts is followed.
  enum Style: Sendable { case transformers, openCLIP }

  /// The source of the tokeniser, or its name in messages.
  public let path: String
  /// The maximum number of tokens for a text encoder, including the start and end tokens; CLIP's is 77.
  public let contextLength: Int
  public let startToken: Int
  public let endToken: Int
  /// Fills the positions after the end token: the end token again (Stable Diffusion 1.x), or 0 (2.x, open_clip).
  public let paddingToken: Int
  /// Replaces bytes missing from the vocabulary. CLIP's vocabularies, and those trained here, contain all bytes.
  public let unknownToken: Int

  let style: Style
  let vocabulary: Vocabulary
  let merges: [MergeTable.Pair: MergeTable.Merge]
  let added: [Int32: AddedToken]
  private let table: MergeTable
  private let scanner: WordScanner
  private let nameTokens: [Int32]
  /// The tokens matched in uncleaned text, and those matched after cleaning.
  private let rawTokens: AddedTokenFinder
  private let cleanTokens: AddedTokenFinder
  /// Cached ids of words.
  private let known = Mutex<[[UInt8]: [Int32]]>([:])

  /// The tokens with a special meaning.
  struct SpecialTokens {
    var start: Int32
    var end: Int32
    var padding: Int32
    var unknown: Int32
  }

  init(
    path: String, style: Style, vocabulary: Vocabulary, merges: [MergeTable.Pair: MergeTable.Merge],
    added: [Int32: AddedToken], special: SpecialTokens, contextLength: Int
  ) {
    precondition(contextLength >= 2, "a context of \(contextLength) tokens")
    self.path = path
    self.style = style
    self.vocabulary = vocabulary
    self.merges = merges
    self.added = added
    self.contextLength = contextLength
    startToken = Int(special.start)
    endToken = Int(special.end)
    paddingToken = Int(special.padding)
    unknownToken = Int(special.unknown)

    let symbol = { (suffix: [UInt8]) in
      (0..<256).map { vocabulary[ByteSymbols.characters[$0] + suffix] ?? special.unknown }
    }
    table = MergeTable(inner: symbol([]), final: symbol(ByteSymbols.wordEnd), merges: merges)
    switch style {
    case .transformers:
      // The pattern in the class names these two, whatever the start and end tokens are.
      scanner = WordScanner(
        names: ["<|startoftext|>", "<|endoftext|>"].map { Array($0.unicodeScalars) }, keepsNames: false,
        version: .tokenizers, foldsCase: false)
      nameTokens = []
      let ordered = added.sorted { $0.key < $1.key }
      rawTokens = AddedTokenFinder(
        ordered.filter { !$0.value.isNormalized }.map { ($0.value.content, $0.value.isSingleWord, $0.key) })
      cleanTokens = AddedTokenFinder(
        ordered.filter { $0.value.isNormalized }.map {
          (TransformersCleaning.clean($0.value.content), $0.value.isSingleWord, $0.key)
        })
    case .openCLIP:
      let ordered = added.sorted { $0.key < $1.key }
      scanner = WordScanner(
        names: ordered.map(\.value.content), keepsNames: true, version: .newest, foldsCase: true)
      nameTokens = ordered.map(\.key)
      rawTokens = AddedTokenFinder([])
      cleanTokens = AddedTokenFinder([])
    }
  }

  /// The same tokeniser with another padding token.
  public func padding(with token: Int) -> CLIPTokenizer {
    CLIPTokenizer(
      path: path, style: style, vocabulary: vocabulary, merges: merges, added: added,
      special: SpecialTokens(
        start: Int32(startToken), end: Int32(endToken), padding: Int32(token), unknown: Int32(unknownToken)),
      contextLength: contextLength)
  }

  /// The number of embeddings that a text encoder needs: one more than the largest id.
  public var vocabularySize: Int {
    max(vocabulary.symbols.count, Int(added.keys.max() ?? 0) + 1)
  }
}

extension CLIPTokenizer {
  /// The ids of all tokens of `text`, without start, end or padding. Takes about linear time.
  public func ids(of text: String) -> [Int] {
    var ids: [Int] = []
    let scalars = Array(text.unicodeScalars)
    switch style {
    case .openCLIP:
      append(OpenCLIPCleaning.clean(scalars), to: &ids)
    case .transformers:
      for piece in rawTokens.pieces(of: scalars) {
        switch piece {
        case .token(let id): ids.append(Int(id))
        case .text(let text):
          for piece in cleanTokens.pieces(of: TransformersCleaning.clean(text)) {
            switch piece {
            case .token(let id): ids.append(Int(id))
            case .text(let text): append(Array(text), to: &ids)
            }
          }
        }
      }
    }
    return ids
  }

  private func append(_ text: [Unicode.Scalar], to ids: inout [Int]) {
    scanner.forEachWord(in: text) { word, name in
      if let name {
        ids.append(Int(nameTokens[name]))
      } else {
        for id in self.ids(ofWord: Array(String(word).utf8)) { ids.append(Int(id)) }
      }
    }
  }

  private func ids(ofWord word: [UInt8]) -> [Int32] {
    guard word.count <= Self.longestKnown else { return table.encode(word[...]) }
    if let ids = known.withLock({ $0[word] }) { return ids }
    let ids = table.encode(word[...])
    known.withLock { if $0.count < Self.mostKnown { $0[word] = ids } }
    return ids
  }

  /// Bounds on the cache: some megabytes.
  private static let longestKnown = 64
  private static let mostKnown = 1 << 16

  /// The tokens of `text` for one pass of a text encoder. The end of a text that is too long is cut; the end token
  /// stays.
  public func encode(_ text: String) -> TokenizedText {
    let ids = ids(of: text)
    return framed(ids.prefix(contextLength - 2), cut: max(0, ids.count - (contextLength - 2)))
  }

  /// The tokens of `text` in chunks, one per pass: as many of the text's tokens as fit between a start and an end
  /// token, then the next ones.
  ///
  /// - Parameters:
  ///   - words: words missing from the vocabulary, each with its tokens.
  ///   - most: the maximum number of chunks; further tokens are cut.
  public func chunks(
    of text: String, words: [(text: String, tokens: [Int])] = [], most: Int = .max
  ) -> [TokenizedText] {
    precondition(most > 0, "\(most) chunks")
    let ids = ids(of: text, words: words)
    // A context of two tokens leaves no room for text.
    let room = max(contextLength - 2, 1)
    let count = contextLength > 2 ? min(max((ids.count + room - 1) / room, 1), most) : 1
    return (0..<count).map { index in
      let part =
        contextLength > 2 ? ids[min(index * room, ids.count)..<min((index + 1) * room, ids.count)] : []
      return framed(part, cut: index == count - 1 ? max(0, ids.count - count * (contextLength - 2)) : 0)
    }
  }

  func framed(_ ids: ArraySlice<Int>, cut: Int) -> TokenizedText {
    let tokens = [startToken] + ids + [endToken]
    return TokenizedText(
      tokens: tokens + Array(repeating: paddingToken, count: contextLength - tokens.count),
      length: tokens.count, cut: cut)
  }

  /// The text of `ids`: cleaned text with a space after each word; U+FFFD where ids end within a character, and for ids
  /// that are not in the vocabulary. Special tokens are omitted.
  public func decode(_ ids: [Int]) -> String {
    var bytes: [UInt8] = []
    for id in ids {
      if let token = Int32(exactly: id).flatMap({ added[$0] }) {
        if !token.isSpecial { bytes += token.bytes }
      } else if let symbol = vocabulary.symbol(id), let decoded = ByteSymbols.decode(symbol) {
        bytes += decoded.bytes
        if decoded.endsWord { bytes.append(UInt8(ascii: " ")) }
      } else {
        bytes += "\u{FFFD}".utf8
      }
    }
    if bytes.last == UInt8(ascii: " ") { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The vocabulary's symbol for a token, such as `cat</w>`; nil for an unknown id.
  public func symbol(of id: Int) -> String? {
    if let token = Int32(exactly: id).flatMap({ added[$0] }) { return String(token.content) }
    return vocabulary.symbol(id).map { String(decoding: $0, as: UTF8.self) }
  }
}
