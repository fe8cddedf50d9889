import Files
import Foundation

extension CLIPTokenizer {
  /// Writes the tokeniser as a folder that transformers' `CLIPTokenizer` loads: `vocab.json`, `merges.txt`,
  /// `tokenizer_config.json` and `special_tokens_map.json`. The configuration is written last: a folder without it is
  /// incomplete.
  ///
  /// A tokeniser read from the original merges file gets transformers' names for the special tokens. Its texts are then
  /// cleaned as in transformers: for example, curly quotation marks stay.
  ///
  /// - Throws: `FileError`; ``TokenizerError`` if `folder` contains a `tokenizer.json`, which would be read instead.
  public func write(toFolder folder: String) throws {
    guard !FileManager.default.fileExists(atPath: "\(folder)/tokenizer.json") else {
      throw TokenizerError(
        folder,
        "holds a tokenizer.json, which would be read in place of what is written; choose another folder")
    }
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError("make", folder, cause: error)
    }
    for (name, text) in [
      ("vocab.json", vocabularyJSON()), ("merges.txt", mergesText()),
      ("special_tokens_map.json", specialTokensMap() + "\n"),
      ("tokenizer_config.json", configuration() + "\n"),
    ] {
      try WholeFile.write(Data(text.utf8), to: "\(folder)/\(name)")
    }
  }

  /// The symbol with `id`, under its name in transformers.
  private func writtenSymbol(_ id: Int) -> [UInt8]? {
    if style == .openCLIP {
      if id == startToken { return Array("<|startoftext|>".utf8) }
      if id == endToken { return Array("<|endoftext|>".utf8) }
    }
    return vocabulary.symbol(id)
  }

  private func vocabularyJSON() -> String {
    let entries = vocabulary.symbols.indices.compactMap { id in
      writtenSymbol(id).map { "\(Self.quoted($0)): \(id)" }
    }
    return "{\(entries.joined(separator: ", "))}"
  }

  private func mergesText() -> String {
    let ordered = merges.sorted { $0.value.rank < $1.value.rank }
    let lines = ordered.map { pair, _ in
      [pair.left, pair.right].map { String(decoding: writtenSymbol(Int($0)) ?? [], as: UTF8.self) }
        .joined(separator: " ")
    }
    return (["#version: 0.2"] + lines).map { $0 + "\n" }.joined()
  }

  private var namedTokens: [(String, Int)] {
    [
      ("bos_token", startToken), ("eos_token", endToken), ("unk_token", unknownToken),
      ("pad_token", paddingToken),
    ]
  }

  private func specialTokensMap() -> String {
    Self.object(namedTokens.map { ($0, Self.quoted(writtenSymbol($1) ?? [])) }, indent: "")
  }

  private func configuration() -> String {
    var tokens = added
    // The padding token of the original file has no name there, but needs one here.
    if tokens[Int32(paddingToken)] == nil, let symbol = vocabulary.symbol(paddingToken) {
      tokens[Int32(paddingToken)] = AddedToken(String(decoding: symbol, as: UTF8.self))
    }
    let list = tokens.sorted { $0.key < $1.key }.map { id, token in
      (
        "\(id)",
        Self.object(
          [
            ("content", Self.quoted(writtenSymbol(Int(id)) ?? token.bytes)),
            ("lstrip", "\(token.stripsLeft)"),
            ("normalized", "\(token.isNormalized)"), ("rstrip", "\(token.stripsRight)"),
            ("single_word", "\(token.isSingleWord)"), ("special", "\(token.isSpecial)"),
          ], indent: "    ")
      )
    }
    return Self.object(
      [
        ("add_prefix_space", "false"), ("added_tokens_decoder", Self.object(list, indent: "  ")),
        ("clean_up_tokenization_spaces", "true"), ("do_lower_case", "true"), ("errors", "\"replace\""),
        ("model_max_length", "\(contextLength)"),
      ] + namedTokens.map { ($0, Self.quoted(writtenSymbol($1) ?? [])) } + [
        ("tokenizer_class", "\"CLIPTokenizer\"")
      ],
      indent: "")
  }

  private static func object(_ entries: [(String, String)], indent: String) -> String {
    let lines = entries.map { "\(indent)  \"\($0.0)\": \($0.1)" }
    return "{\n\(lines.joined(separator: ",\n"))\n\(indent)}"
  }

  /// UTF-8 as a JSON string in ASCII.
  private static func quoted(_ bytes: [UInt8]) -> String {
    var text = "\""
    for unit in String(decoding: bytes, as: UTF8.self).utf16 {
      switch unit {
      case 0x22, 0x5C: text += "\\" + String(UnicodeScalar(UInt8(unit)))
      case 0x20..<0x7F: text += String(UnicodeScalar(UInt8(unit)))
      default:
        let digits = String(unit, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
    }
    return text + "\""
  }
}
