/// The special tokens of a transformers folder.
struct SpecialTokenSettings {
  /// In the order in which transformers adds them: for equal contents, the later token's properties apply.
  private static let names = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  private struct Named {
    var token: AddedToken
    let file: String
    let line: Int?
  }

  private var named: [String: Named] = [:]
  private var extra: [AddedToken] = []
  /// Tokens listed in a file with their ids, in the order of the ids.
  private var stated: [StatedToken]
  /// `model_max_length`; nil if missing or unlimited.
  let contextLength: Int?
  private let folder: String

  /// - Parameter added: the added tokens of `tokenizer.json`.
  init(files: TokenizerFolder, added: [StatedToken]) throws {
    folder = files.path
    for (name, content) in ["bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"] {
      named[name] = Named(token: AddedToken(content), file: files.path, line: nil)
    }
    for name in ["unk_token", "pad_token"] { named[name] = named["eos_token"] }
    let config = try files.object("tokenizer_config.json")
    let configFile = files.file("tokenizer_config.json")
    if let config {
      try Self.checkSupported(config, configFile, hasTokenizerJSON: try files.tokenizerJSON() != nil)
    }
    contextLength = try config.flatMap { try Self.contextLength($0, configFile) }
    stated = added
    if let config { try read(config, configFile) }
    if let list = config?["added_tokens_decoder"] {
      stated = try Self.stated(list, file: configFile)
    } else {
      if let map = try files.object("special_tokens_map.json") {
        try read(map, files.file("special_tokens_map.json"))
      }
      if let list = try files.object("added_tokens.json") {
        try readAddedTokens(list, files.file("added_tokens.json"), except: added)
      }
    }
    stated.sort { $0.id < $1.id }
    // A named token has the properties that the list gives for its content.
    for (name, entry) in named {
      if let token = stated.last(where: { $0.token.content == entry.token.content })?.token {
        named[name]?.token = token
      }
    }
  }

  private mutating func read(_ object: JSONValue, _ file: String) throws {
    for name in Self.names {
      guard let value = object[name], !value.isNull else { continue }
      var token = try AddedToken(value, file: file)
      token.isSpecial = true
      if value["normalized"] == nil { token.isNormalized = false }
      named[name] = Named(token: token, file: file, line: value.line)
    }
    for key in ["additional_special_tokens", "extra_special_tokens"] {
      guard case .array(let values)? = object[key]?.content else { continue }
      for value in values {
        var token = try AddedToken(value, file: file)
        token.isSpecial = true
        if !extra.contains(token) { extra.append(token) }
      }
    }
  }

  private mutating func readAddedTokens(_ list: JSONValue, _ file: String, except known: [StatedToken]) throws
  {
    guard case .object(let entries) = list.content else { return }
    for (key, value) in entries {
      guard let id = value.int else {
        throw TokenizerError(file, line: value.line, "an id is \(value.kind); expected a number")
      }
      var token = AddedToken(String(decoding: key, as: UTF8.self))
      guard !known.contains(where: { $0.token.content == token.content }) else { continue }
      token.isSpecial = (named.values.map(\.token) + extra).contains { $0.content == token.content }
      token.isNormalized = !token.isSpecial
      stated.append(StatedToken(token: token, id: id, file: file, line: value.line))
    }
  }

  private static func stated(_ list: JSONValue, file: String) throws -> [StatedToken] {
    guard case .object(let entries) = list.content else {
      throw TokenizerError(
        file, line: list.line, "added_tokens_decoder: expected an object, found \(list.kind)")
    }
    return try entries.map { key, value in
      let text = String(decoding: key, as: UTF8.self)
      guard let id = Int(text) else {
        throw TokenizerError(
          file, line: value.line, "added_tokens_decoder: the id \"\(text)\" is not a number")
      }
      return StatedToken(token: try AddedToken(value, file: file), id: id, file: file, line: value.line)
    }
  }

  private static func contextLength(_ config: JSONValue, _ file: String) throws -> Int? {
    guard let value = config["model_max_length"], !value.isNull else { return nil }
    guard case .number(let text) = value.content, let number = Double(text), number >= 2 else {
      throw TokenizerError(
        file, line: value.line, "model_max_length is \(value.kind); expected a number of tokens, 2 at least")
    }
    // transformers writes 1e30 for an unset length.
    return number > 1e6 ? nil : Int(number)
  }

  /// Rejects settings that would change tokens and that no CLIP tokeniser has.
  private static func checkSupported(_ config: JSONValue, _ file: String, hasTokenizerJSON: Bool) throws {
    func refuse(_ key: String, _ value: JSONValue, _ expected: String) -> TokenizerError {
      TokenizerError(
        file, line: value.line, "\(key) is \(value.string.map { "\"\($0)\"" } ?? value.kind); \(expected)")
    }
    let classes = ["CLIPTokenizer", "CLIPTokenizerFast", "TokenizersBackend", "PreTrainedTokenizerFast"]
    if let value = config["tokenizer_class"], let name = value.string, !classes.contains(name) {
      throw refuse("tokenizer_class", value, "only CLIPTokenizer can be read")
    }
    for key in ["padding_side", "truncation_side"] {
      if let value = config[key], !value.isNull, value.string != "right" {
        throw refuse(key, value, "only \"right\" is supported")
      }
    }
    if let value = config["split_special_tokens"], value.bool == true {
      throw refuse("split_special_tokens", value, "only false is supported")
    }
    for key in ["add_bos_token", "add_eos_token"] where !hasTokenizerJSON {
      if let value = config[key], value.bool == false { throw refuse(key, value, "only true is supported") }
    }
  }
}

extension SpecialTokenSettings {
  /// Assigns an id to every added token: that in the vocabulary, or the next free one.
  mutating func resolve(in vocabulary: inout Vocabulary) throws -> [Int32: AddedToken] {
    var added: [Int32: AddedToken] = [:]
    var next = vocabulary.count
    func add(_ token: AddedToken, _ vocabulary: inout Vocabulary) throws -> Int32 {
      if let id = vocabulary[token.bytes] { return id }
      let id = max(next, (added.keys.max().map(Int.init) ?? -1) + 1)
      next = id + 1
      if vocabulary.add(token.bytes, id: id) != nil {
        throw TokenizerError(
          folder, "the added token \"\(String(token.content))\" finds its id \(id) taken: the ids have gaps")
      }
      return Int32(id)
    }
    for entry in stated where !entry.token.content.isEmpty {
      let id = try add(entry.token, &vocabulary)
      guard Int(id) == entry.id else {
        throw TokenizerError(
          entry.file, line: entry.line,
          "the token \"\(String(entry.token.content))\" has the id \(entry.id) here, but \(id) by the vocabulary"
        )
      }
      added[id] = entry.token
    }
    for name in Self.names {
      guard let entry = named[name], !stated.contains(where: { $0.token.content == entry.token.content })
      else { continue }
      guard let id = vocabulary[entry.token.bytes] else {
        throw TokenizerError(
          entry.file, line: entry.line,
          "the \(name) \"\(String(entry.token.content))\" is not in the vocabulary; name the token that it is, or take the "
            + "vocabulary that belongs to this file")
      }
      added[id] = entry.token
    }
    for token in extra where !stated.contains(where: { $0.token.content == token.content }) {
      added[try add(token, &vocabulary)] = token
    }
    return added
  }

  func specialTokens(in vocabulary: Vocabulary) throws -> CLIPTokenizer.SpecialTokens {
    func id(_ name: String) throws -> Int32 {
      guard let entry = named[name], let id = vocabulary[entry.token.bytes] else {
        throw TokenizerError(folder, "has no \(name)")
      }
      return id
    }
    return CLIPTokenizer.SpecialTokens(
      start: try id("bos_token"), end: try id("eos_token"), padding: try id("pad_token"),
      unknown: try id("unk_token"))
  }
}
