import ArgumentParser
import Reporting
import Settings
import Text

/// `oboro tokenize`: shows the tokens that a text encoder receives.
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the tokens of a text, as CLIP's text encoders take it.",
    discussion: """
      Each line is a token's id and what the vocabulary calls it: the start token, the text's, the end token. With \
      --json also input_ids, those that a text encoder takes: as many as it has positions for, padded or cut off.

      oboro tokenize "a cat" --tokenizer stable-diffusion/tokenizer
      """)

  @Argument(help: "The text.")
  var text: String

  @Option(
    help: ArgumentHelp(
      "A folder with vocab.json and merges.txt, or tokenizer.json; or CLIP's original merges file.",
      valueName: "dir"))
  var tokenizer: String

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let tokenizer = try CLIPTokenizer(path: tokenizer)
    let ids = [tokenizer.startToken] + tokenizer.ids(of: text) + [tokenizer.endToken]
    let tokens = ids.map { tokenizer.symbol(of: $0) ?? "" }
    let encoded = tokenizer.encode(text)
    if json {
      let node: SettingsNode = [
        "ids": SettingsNode(ids), "tokens": SettingsNode(tokens), "input_ids": SettingsNode(encoded.tokens),
        "length": SettingsNode(encoded.length), "cut": SettingsNode(encoded.cut),
      ]
      try print(node.indentedJSON, terminator: "")
      return
    }
    let width = ids.map { "\($0)".count }.max() ?? 0
    for (id, token) in zip(ids, tokens) {
      try print(String(repeating: " ", count: width - "\(id)".count) + "\(id)  \(token)")
    }
    if encoded.cut > 0 {
      StandardError().write(
        "oboro: a text encoder takes \(tokenizer.contextLength) of these tokens: the last \(encoded.cut) of the text are cut off\n"
      )
    }
  }
}
