import Files
import Foundation

extension CLIPTokenizer {
  /// Reads a transformers folder like `CLIPTokenizer` of version 5: the vocabulary and the merges from `tokenizer.json`
  /// if it exists, otherwise from `vocab.json` and `merges.txt`; special tokens from `tokenizer_config.json`, and, if
  /// that does not list the added tokens, from `special_tokens_map.json` and `added_tokens.json`.
  convenience init(folder: String) throws {
    let files = TokenizerFolder(path: folder)
    let parts =
      try files.tokenizerJSON().map { try files.parts(ofTokenizer: $0) } ?? files.partsOfVocabularyAndMerges()
    var settings = try SpecialTokenSettings(files: files, added: parts.added)
    var vocabulary = parts.vocabulary
    let added = try settings.resolve(in: &vocabulary)
    var special = try settings.specialTokens(in: vocabulary)
    if let frame = parts.frame {
      special.start = frame.start
      special.end = frame.end
    }
    self.init(
      path: folder, style: .transformers, vocabulary: vocabulary, merges: parts.merges, added: added,
      special: special,
      contextLength: settings.contextLength ?? parts.contextLength ?? Self.standardContextLength)
  }
}

/// The files of a transformers tokeniser.
struct TokenizerFolder {
  let path: String

  /// The contents of the files with the vocabulary.
  struct Parts {
    var vocabulary: Vocabulary
    var merges: [MergeTable.Pair: MergeTable.Merge]
    /// Added tokens with their ids, as `tokenizer.json` lists them.
    var added: [StatedToken] = []
    /// The tokens around a text.
    var frame: (start: Int32, end: Int32)?
    var contextLength: Int?
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// The JSON object in the file `name`; nil if the file does not exist.
  func object(_ name: String) throws -> JSONValue? {
    guard FileManager.default.fileExists(atPath: file(name)) else { return nil }
    let value = try JSONParser.value(of: file(name))
    guard case .object = value.content else {
      throw TokenizerError(file(name), line: value.line, "expected an object, found \(value.kind)")
    }
    return value
  }

  func tokenizerJSON() throws -> JSONValue? { try object("tokenizer.json") }

  func partsOfVocabularyAndMerges() throws -> Parts {
    for (name, other) in [("vocab.json", "merges.txt"), ("merges.txt", "vocab.json")]
    where !FileManager.default.fileExists(atPath: file(name)) {
      throw TokenizerError(
        path, "has no \(name); a tokeniser's folder has tokenizer.json, or \(name) and \(other)")
    }
    let vocabulary = try vocabulary(try JSONParser.value(of: file("vocab.json")), in: "vocab.json")
    var reader = MergesReader(path: file("merges.txt"), vocabulary: vocabulary)
    for pair in try MergesReader.pairs(of: try WholeFile.read(file("merges.txt")), path: file("merges.txt")) {
      try reader.add(pair.left, pair.right, line: pair.line)
    }
    return Parts(vocabulary: vocabulary, merges: reader.merges)
  }

  func parts(ofTokenizer json: JSONValue) throws -> Parts {
    let name = "tokenizer.json"
    guard let model = json["model"], let vocab = model["vocab"], let list = model["merges"] else {
      throw TokenizerError(file(name), line: json.line, "has no model with a vocab and merges")
    }
    if let type = model["type"]?.string, type != "BPE" {
      throw TokenizerError(file(name), line: model.line, "its model is \(type), CLIP's is BPE")
    }
    let vocabulary = try vocabulary(vocab, in: name)
    guard case .array(let entries) = list.content else {
      throw TokenizerError(file(name), line: list.line, "merges: expected an array, found \(list.kind)")
    }
    var reader = MergesReader(path: file(name), vocabulary: vocabulary)
    for entry in entries {
      let pair = try symbols(of: entry)
      try reader.add(pair[0], pair[1], line: entry.line)
    }
    var parts = Parts(vocabulary: vocabulary, merges: reader.merges)
    if let tokens = json["added_tokens"] {
      guard case .array(let tokens) = tokens.content else {
        throw TokenizerError(
          file(name), line: tokens.line, "added_tokens: expected an array, found \(tokens.kind)")
      }
      parts.added = try tokens.map { token in
        guard let id = token["id"]?.int else {
          throw TokenizerError(file(name), line: token.line, "an added token has no id")
        }
        return StatedToken(
          token: try AddedToken(token, file: file(name)), id: id, file: file(name), line: token.line)
      }
    }
    parts.frame = try frame(json["post_processor"])
    parts.contextLength = json["truncation"]?["max_length"]?.int
    return parts
  }

  /// The two symbols of a merge, written as one string with a space or as an array of two strings.
  private func symbols(of entry: JSONValue) throws -> [[UInt8]] {
    var symbols: [[UInt8]] = []
    switch entry.content {
    case .string(let text):
      symbols = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false).map(Array.init)
    case .array(let values):
      for case .string(let text) in values.map(\.content) { symbols.append(text) }
    default: break
    }
    guard symbols.count == 2 else {
      throw TokenizerError(
        file("tokenizer.json"), line: entry.line, "a merge is \(entry.kind); expected two symbols")
    }
    return symbols
  }

  private func frame(_ value: JSONValue?) throws -> (start: Int32, end: Int32)? {
    guard let value, !value.isNull else { return nil }
    func id(_ key: String) -> Int32? {
      guard case .array(let pair)? = value[key]?.content, pair.count == 2 else { return nil }
      return pair[1].int.flatMap(Int32.init(exactly:))
    }
    guard value["type"]?.string == "RobertaProcessing", let start = id("cls"), let end = id("sep") else {
      throw TokenizerError(
        file("tokenizer.json"), line: value.line,
        "its post_processor is \(value["type"]?.string ?? "unnamed"); expected CLIP's RobertaProcessing with cls and sep"
      )
    }
    return (start, end)
  }

  private func vocabulary(_ value: JSONValue, in name: String) throws -> Vocabulary {
    guard case .object(let entries) = value.content else {
      throw TokenizerError(
        file(name), line: value.line, "expected symbols with their ids, found \(value.kind)")
    }
    var vocabulary = Vocabulary()
    for entry in entries {
      let symbol = String(decoding: entry.key, as: UTF8.self)
      guard let id = entry.value.int, (0...Vocabulary.largestID).contains(id) else {
        throw TokenizerError(
          file(name), line: entry.value.line,
          "the id of \"\(symbol)\" is \(entry.value.kind); expected a number from 0 to \(Vocabulary.largestID)"
        )
      }
      if let other = vocabulary.add(entry.key, id: id) {
        throw TokenizerError(
          file(name), line: entry.value.line,
          "the id \(id) belongs to \"\(String(decoding: other, as: UTF8.self))\" and \"\(symbol)\"")
      }
    }
    guard vocabulary.count > 0 else { throw TokenizerError(file(name), line: value.line, "has no symbols") }
    return vocabulary
  }
}

/// An added token, with its id from a file.
struct StatedToken {
  let token: AddedToken
  let id: Int
  let file: String
  let line: Int
}

extension AddedToken {
  /// The token described by a string or an object in a file.
  init(_ value: JSONValue, file: String) throws {
    if let content = value.string {
      self.init(content)
      return
    }
    guard let content = value["content"]?.string else {
      throw TokenizerError(
        file, line: value.line, "a token is \(value.kind); expected its text, or an object with content")
    }
    self.init(content)
    isSpecial = value["special"]?.bool ?? false
    // The defaults of the tokenizers library: special tokens are matched in the uncleaned text.
    isNormalized = value["normalized"]?.bool ?? !isSpecial
    isSingleWord = value["single_word"]?.bool ?? false
    stripsLeft = value["lstrip"]?.bool ?? false
    stripsRight = value["rstrip"]?.bool ?? false
  }
}
